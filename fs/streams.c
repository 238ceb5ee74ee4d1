/* SPDX-License-Identifier: MIT */
#include "fs/streams.h"

#include <string.h>
#include <unistd.h>

void streams_init(Streams *streams)
{
	memset(streams, 0, sizeof(*streams));
	pthread_mutex_init(&streams->lock, NULL);
}

void streams_clear(Streams *streams)
{
	streams_close_idle(streams);
	pthread_mutex_destroy(&streams->lock);
}

int streams_steal(Streams *streams, uint64_t id, off_t position)
{
	Stream *found = NULL;
	int fd = -1;

	if (id == 0)
		return -1; /* what a free place says */
	pthread_mutex_lock(&streams->lock);
	for (int i = 0; i < STREAMS_MAX; i++) {
		Stream *stream = &streams->kept[i];

		if (stream->id == id && stream->position == position &&
		    (found == NULL || stream->used > found->used))
			found = stream;
	}
	if (found != NULL) {
		fd = found->fd;
		found->id = 0;
	}
	pthread_mutex_unlock(&streams->lock);
	return fd;
}

void streams_keep(Streams *streams, uint64_t id, off_t position, int fd)
{
	Stream *place = &streams->kept[0];
	int old = -1;

	pthread_mutex_lock(&streams->lock);
	for (int i = 0; i < STREAMS_MAX; i++) {
		Stream *stream = &streams->kept[i];

		if (stream->id == 0) {
			place = stream;
			break;
		}
		if (stream->used < place->used)
			place = stream;
	}
	if (place->id != 0)
		old = place->fd;
	*place = (Stream){
		.id = id,
		.position = position,
		.fd = fd,
		.used = ++streams->uses,
	};
	pthread_mutex_unlock(&streams->lock);
	if (old >= 0)
		close(old);
}

/* Close all, or those of one directory; how many. */
static int close_those(Streams *streams, bool all, uint64_t id)
{
	int fds[STREAMS_MAX];
	int n = 0, closed;

	pthread_mutex_lock(&streams->lock);
	for (int i = 0; i < STREAMS_MAX; i++) {
		Stream *stream = &streams->kept[i];

		if (stream->id == 0 || (!all && stream->id != id))
			continue;
		fds[n++] = stream->fd;
		stream->id = 0;
	}
	pthread_mutex_unlock(&streams->lock);
	closed = n;
	while (n > 0)
		close(fds[--n]);
	return closed;
}

void streams_forget(Streams *streams, uint64_t id)
{
	close_those(streams, false, id);
}

int streams_close_idle(Streams *streams)
{
	return close_those(streams, true, 0);
}
