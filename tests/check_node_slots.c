/* SPDX-License-Identifier: MIT */
/* Slots of nodes: numbers that are never given twice, memory that comes back.
 */
#include <check.h>
#include <stdlib.h>

#include <glib.h>

#include "fs/node-slots.h"

#define MANY (NODE_CHUNK_SIZE * 5)

static NodeSlots slots;
static Node *nodes[MANY];

static void set_up(void)
{
	node_slots_init(&slots);
}

static void tear_down(void)
{
	node_slots_clear(&slots);
}

static uint64_t id_of(const Node *node)
{
	return (uint64_t)node->generation << 32 | node->index;
}

static void take_many(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		nodes[i] = node_slots_take(&slots);
		ck_assert_ptr_nonnull(nodes[i]);
	}
}

static void give_many_back(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		node_slots_give_back(&slots, nodes[i]);
}

static unsigned count_chunks_with_memory(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < slots.chunk_count; i++)
		n += slots.chunks[i].nodes != NULL;
	return n;
}

START_TEST(test_first_node_has_index_1_and_generation_0)
{
	Node *node = node_slots_take(&slots);

	ck_assert_uint_eq(node->index, 1);
	ck_assert_uint_eq(node->generation, 0);
}
END_TEST

START_TEST(test_node_is_found_while_it_is_in_use)
{
	take_many(MANY);
	ck_assert_uint_eq(slots.count, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		ck_assert_ptr_eq(node_slots_find(&slots, nodes[i]->index),
				 nodes[i]);
		ck_assert_ptr_eq(node_slots_at(&slots, nodes[i]->index),
				 nodes[i]);
	}
	uint32_t index = nodes[7]->index;

	node_slots_give_back(&slots, nodes[7]);
	ck_assert_ptr_null(node_slots_find(&slots, index));
	ck_assert_ptr_null(node_slots_find(&slots, 0));
	ck_assert_ptr_null(node_slots_find(&slots, UINT32_MAX));
}
END_TEST

START_TEST(test_no_nodeid_is_given_twice)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(
		g_int64_hash, g_int64_equal, g_free, NULL);

	/* Some rounds empty chunks, some leave a node in one. */
	for (unsigned round = 0; round < 12; round++) {
		unsigned n = MANY / (1 + round % 3);

		take_many(n);
		for (unsigned i = 0; i < n; i++) {
			gint64 *id = g_new(gint64, 1);

			*id = (gint64)id_of(nodes[i]);
			ck_assert(g_hash_table_add(seen, id));
		}
		give_many_back(n - round % 2);
	}
}
END_TEST

START_TEST(test_chunk_without_nodes_gives_its_memory_back)
{
	take_many(MANY);
	ck_assert_uint_eq(count_chunks_with_memory(), 6);
	give_many_back(MANY);
	/* The first, whose slot 0 is never free, and a spare one. */
	ck_assert_uint_eq(count_chunks_with_memory(), 2);
	ck_assert_uint_eq(slots.count, 0);
}
END_TEST

START_TEST(test_one_node_keeps_only_its_own_chunk)
{
	take_many(MANY);
	Node *kept = nodes[NODE_CHUNK_SIZE * 3];
	uint64_t id = id_of(kept);

	for (unsigned i = 0; i < MANY; i++)
		if (nodes[i] != kept)
			node_slots_give_back(&slots, nodes[i]);
	ck_assert_uint_eq(count_chunks_with_memory(), 3);
	ck_assert_uint_eq(id_of(kept), id);
	ck_assert_ptr_eq(node_slots_find(&slots, (uint32_t)id), kept);
}
END_TEST

START_TEST(test_new_nodes_go_to_the_lowest_chunk)
{
	take_many(MANY);
	node_slots_give_back(&slots, nodes[MANY - 1]);
	node_slots_give_back(&slots, nodes[10]);
	Node *node = node_slots_take(&slots);

	ck_assert_uint_lt(node->index, NODE_CHUNK_SIZE);
}
END_TEST

START_TEST(test_node_that_comes_and_goes_at_an_edge_allocates_nothing)
{
	take_many(NODE_CHUNK_SIZE - 1); /* the first chunk is full */
	Node *node = node_slots_take(&slots);
	const Node *memory = slots.chunks[1].nodes;

	ck_assert_ptr_nonnull(memory);
	for (unsigned i = 0; i < 100; i++) {
		node_slots_give_back(&slots, node);
		ck_assert_ptr_eq(slots.chunks[1].nodes, memory);
		node = node_slots_take(&slots);
	}
}
END_TEST

START_TEST(test_slot_with_its_generations_used_up_keeps_its_chunk)
{
	take_many(MANY);
	uint32_t index = nodes[NODE_CHUNK_SIZE * 2]->index;

	nodes[NODE_CHUNK_SIZE * 2]->generation = NODE_GENERATION_MAX;
	give_many_back(MANY);
	ck_assert_uint_eq(count_chunks_with_memory(), 3);
	take_many(MANY);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_uint_ne(nodes[i]->index, index);
}
END_TEST

START_TEST(test_all_nodes_are_visited_in_order)
{
	take_many(MANY);
	/* A chunk without memory in the middle, and holes. */
	for (unsigned i = 0; i < MANY; i++)
		if (i % 3 == 0 || (i > NODE_CHUNK_SIZE * 2 - 10 &&
				   i < NODE_CHUNK_SIZE * 3 + 10)) {
			node_slots_give_back(&slots, nodes[i]);
			nodes[i] = NULL;
		}
	unsigned expected = 0, index = 0;

	for (Node *node = node_slots_next(&slots, 0); node != NULL;
	     node = node_slots_next(&slots, node->index + 1)) {
		while (nodes[expected] == NULL)
			expected++;
		ck_assert_ptr_eq(node, nodes[expected++]);
		ck_assert_uint_gt(node->index, index);
		index = node->index;
	}
	while (expected < MANY)
		ck_assert_ptr_null(nodes[expected++]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node-slots");
	TCase *tcase = tcase_create("slots");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, test_first_node_has_index_1_and_generation_0);
	tcase_add_test(tcase, test_node_is_found_while_it_is_in_use);
	tcase_add_test(tcase, test_no_nodeid_is_given_twice);
	tcase_add_test(tcase, test_chunk_without_nodes_gives_its_memory_back);
	tcase_add_test(tcase, test_one_node_keeps_only_its_own_chunk);
	tcase_add_test(tcase, test_new_nodes_go_to_the_lowest_chunk);
	tcase_add_test(
		tcase,
		test_node_that_comes_and_goes_at_an_edge_allocates_nothing);
	tcase_add_test(tcase,
		       test_slot_with_its_generations_used_up_keeps_its_chunk);
	tcase_add_test(tcase, test_all_nodes_are_visited_in_order);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
