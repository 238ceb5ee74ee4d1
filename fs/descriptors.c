/* SPDX-License-Identifier: MIT */
#include "fs/descriptors.h"

#include <stdlib.h>
#include <unistd.h>

void descriptors_init(DescriptorCache *cache, size_t budget, bool keep_nothing)
{
	*cache = (DescriptorCache){
		.budget = budget,
		.keep_nothing = keep_nothing,
	};
}

Descriptor *descriptor_new_locked(DescriptorCache *cache, int fd,
				  DescriptorKind kind)
{
	Descriptor *descriptor = calloc(1, sizeof(*descriptor));

	if (descriptor == NULL)
		return NULL;
	descriptor->fd = fd;
	descriptor->kind = kind;
	descriptor->refs = 1;
	cache->open++;
	return descriptor;
}

bool descriptor_can(const Descriptor *descriptor, DescriptorKind kind)
{
	return descriptor->kind >= kind &&
	       !(descriptor->write_only && kind == DESCRIPTOR_READ);
}

Descriptor *descriptor_ref_locked(Descriptor *descriptor)
{
	descriptor->refs++;
	return descriptor;
}

void descriptor_unref_locked(DescriptorCache *cache, Descriptor *descriptor)
{
	if (descriptor == NULL || --descriptor->refs > 0)
		return;
	cache->open--;
	descriptor->older = cache->done;
	cache->done = descriptor;
}

static void unlink_locked(DescriptorCache *cache, Descriptor *descriptor)
{
	if (descriptor->newer != NULL)
		descriptor->newer->older = descriptor->older;
	else
		cache->newest = descriptor->older;
	if (descriptor->older != NULL)
		descriptor->older->newer = descriptor->newer;
	else
		cache->oldest = descriptor->newer;
	descriptor->newer = descriptor->older = NULL;
}

static void link_newest_locked(DescriptorCache *cache, Descriptor *descriptor)
{
	descriptor->newer = NULL;
	descriptor->older = cache->newest;
	if (cache->newest != NULL)
		cache->newest->newer = descriptor;
	else
		cache->oldest = descriptor;
	cache->newest = descriptor;
}

void descriptors_uncache_locked(DescriptorCache *cache, Descriptor **slot)
{
	Descriptor *descriptor = *slot;

	if (descriptor == NULL)
		return;
	*slot = NULL;
	descriptor->slot = NULL;
	unlink_locked(cache, descriptor);
	descriptor_unref_locked(cache, descriptor);
}

void descriptors_shed_locked(DescriptorCache *cache, size_t n)
{
	/* One that is in use is dropped from the list all the same: its user
	   closes it, and the list stays short. */
	while (cache->open > n && cache->oldest != NULL)
		descriptors_uncache_locked(cache, cache->oldest->slot);
}

void descriptors_cache_locked(DescriptorCache *cache, Descriptor **slot,
			      Descriptor *descriptor)
{
	if (cache->keep_nothing || descriptor->slot != NULL)
		return;
	if (*slot != NULL) {
		if ((*slot)->kind >= descriptor->kind) {
			descriptors_touch_locked(cache, *slot);
			return;
		}
		descriptors_uncache_locked(cache, slot);
	}
	*slot = descriptor_ref_locked(descriptor);
	descriptor->slot = slot;
	link_newest_locked(cache, descriptor);
	descriptors_shed_locked(cache, cache->budget);
}

void descriptors_touch_locked(DescriptorCache *cache, Descriptor *descriptor)
{
	if (descriptor->slot == NULL || cache->newest == descriptor)
		return;
	unlink_locked(cache, descriptor);
	link_newest_locked(cache, descriptor);
}

Descriptor *descriptors_take_done_locked(DescriptorCache *cache)
{
	Descriptor *done = cache->done;

	cache->done = NULL;
	return done;
}

void descriptors_close(Descriptor *done)
{
	while (done != NULL) {
		Descriptor *next = done->older;

		close(done->fd);
		free(done);
		done = next;
	}
}
