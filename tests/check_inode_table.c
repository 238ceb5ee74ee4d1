/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/control.h"
#include "fs/inode-table.h"
#include "tests/inode-fixture.h"

START_TEST(test_root_has_nodeid_1_and_an_empty_path)
{
	set_up();
	ck_assert_uint_eq(node_get_id(root), 1);
	ck_assert_ptr_eq(inode_table_get_locked(table, 1), root);
	ck_assert_ptr_eq(inode_table_find_locked(table, &root_key), root);
	ck_assert_uint_eq(inode_table_depth_locked(table, root), 0);
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

START_TEST(test_one_object_is_one_node)
{
	Node *file;

	set_up();
	file = look_up_file(root, "a", 10);
	ck_assert_ptr_eq(look_up_file(root, "a", 10), file);
	ck_assert_ptr_eq(look_up_file(root, "b", 10), file);
	ck_assert_uint_eq(file->lookups, 3);
	ck_assert_uint_eq(node_count_names_locked(file), 2);
	ck_assert_uint_eq(inode_table_count_locked(table), 2);
	tear_down();
}
END_TEST

START_TEST(test_number_used_again_with_another_birth_is_another_node)
{
	NodeKey old_key = key(10), new_key = key(10);
	Node *file, *other;

	set_up();
	file = look_up_file(root, "a", 10);
	new_key.birth++;
	ck_assert_ptr_null(inode_table_find_locked(table, &new_key));
	other = inode_table_intern_locked(table, &new_key, S_IFREG | 0644);
	ck_assert_ptr_ne(other, file);
	ck_assert_ptr_eq(inode_table_find_locked(table, &old_key), file);
	ck_assert_ptr_eq(inode_table_find_locked(table, &new_key), other);
	new_key.dev++;
	ck_assert_ptr_null(inode_table_find_locked(table, &new_key));
	tear_down();
}
END_TEST

START_TEST(test_without_birth_another_kind_of_object_is_another_node)
{
	NodeKey its_key = {.ino = 10, .dev = 8};
	Node *file, *dir;

	set_up();
	file = inode_table_intern_locked(table, &its_key, S_IFREG | 0644);
	file->lookups++;
	dir = inode_table_intern_locked(table, &its_key, S_IFDIR | 0755);
	dir->lookups++;
	ck_assert_ptr_ne(dir, file);
	ck_assert_int_eq(dir->type, S_IFDIR);
	/* Each can go by itself. */
	forget(file);
	ck_assert_ptr_eq(inode_table_find_locked(table, &its_key), dir);
	forget(dir);
	ck_assert_ptr_null(inode_table_find_locked(table, &its_key));
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

START_TEST(test_nodeid_never_comes_to_mean_another_node)
{
	uint64_t ids[100];

	set_up();
	for (uint64_t i = 0; i < 100; i++) {
		Node *file = look_up_file(root, "a", 10 + i);

		ids[i] = node_get_id(file);
		ck_assert_uint_eq((uint32_t)ids[i], 2); /* the same slot */
		for (uint64_t j = 0; j < i; j++) {
			ck_assert_uint_ne(ids[i], ids[j]);
			ck_assert_ptr_null(
				inode_table_get_locked(table, ids[j]));
		}
		forget(file);
		ck_assert_ptr_null(inode_table_get_locked(table, ids[i]));
	}
	tear_down();
}
END_TEST

START_TEST(test_slot_with_its_generations_used_up_is_not_used_again)
{
	uint64_t last;
	Node *file;

	set_up();
	file = look_up_file(root, "a", 10);
	file->generation = UINT32_MAX;
	last = node_get_id(file);
	ck_assert_ptr_eq(inode_table_get_locked(table, last), file);
	forget(file);
	ck_assert_ptr_null(inode_table_get_locked(table, last));
	ck_assert_ptr_null(inode_table_get_locked(table, (uint32_t)last));
	file = look_up_file(root, "a", 10);
	ck_assert_uint_ne((uint32_t)node_get_id(file), (uint32_t)last);
	tear_down();
}
END_TEST

START_TEST(test_nodeids_that_were_never_given_are_unknown)
{
	set_up();
	look_up_file(root, "a", 10);
	ck_assert_ptr_null(inode_table_get_locked(table, 0));
	ck_assert_ptr_null(inode_table_get_locked(table, 3));
	ck_assert_ptr_null(inode_table_get_locked(table, UINT64_MAX));
	ck_assert_ptr_null(inode_table_get_locked(table, UINT32_MAX));
	ck_assert_ptr_null(inode_table_get_locked(table, UINT64_C(1) << 32));
	ck_assert_ptr_null(
		inode_table_get_locked(table, (UINT64_C(1) << 32) + 1));
	tear_down();
}
END_TEST

START_TEST(test_a_hundred_thousand_nodes_are_found_and_freed)
{
	enum { N = 100000 };
	static uint64_t ids[N];
	char name[16];

	set_up();
	for (uint64_t i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "%u", (unsigned)i);
		ids[i] = node_get_id(look_up_file(root, name, 1000 + i));
	}
	ck_assert_uint_eq(inode_table_count_locked(table), N + 1);
	for (uint64_t i = 0; i < N; i++) {
		NodeKey its_key = key(1000 + i);

		ck_assert_ptr_eq(inode_table_get_locked(table, ids[i]),
				 inode_table_find_locked(table, &its_key));
		ck_assert_ptr_nonnull(inode_table_get_locked(table, ids[i]));
	}
	for (uint64_t i = 0; i < N; i++)
		forget(inode_table_get_locked(table, ids[i * 7919 % N]));
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	ck_assert_uint_eq(root->refs, 1);
	tear_down();
}
END_TEST

/* -- Life ----------------------------------------------------------------- */

START_TEST(test_node_lives_until_its_last_look_up_is_given_back)
{
	NodeKey its_key = key(10);
	Node *file;

	set_up();
	file = look_up_file(root, "a", 10);
	look_up_file(root, "a", 10);
	look_up_file(root, "a", 10);
	inode_table_forget_locked(table, file, 2);
	ck_assert_ptr_eq(inode_table_find_locked(table, &its_key), file);
	forget(file);
	ck_assert_ptr_null(inode_table_find_locked(table, &its_key));
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

START_TEST(test_giving_back_more_than_was_given_is_giving_back_all)
{
	Node *file;

	set_up();
	file = look_up_file(root, "a", 10);
	inode_table_forget_locked(table, file, UINT64_MAX);
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

START_TEST(test_user_keeps_a_forgotten_node)
{
	NodeKey its_key = key(10);
	Node *file;

	set_up();
	file = look_up_file(root, "a", 10);
	node_ref_locked(file);
	forget(file);
	ck_assert_ptr_eq(inode_table_find_locked(table, &its_key), file);
	node_unref_locked(table, file);
	ck_assert_ptr_null(inode_table_find_locked(table, &its_key));
	tear_down();
}
END_TEST

START_TEST(test_forgotten_directory_lives_while_a_name_lies_in_it)
{
	NodeKey its_key = key(10);
	Node *dir, *file;

	set_up();
	dir = look_up_dir(root, "d", 10);
	file = look_up_file(dir, "a", 11);
	forget(dir);
	ck_assert_ptr_eq(inode_table_find_locked(table, &its_key), dir);
	ck_assert_str_eq(path_of(dir), "d");
	forget(file);
	ck_assert_ptr_null(inode_table_find_locked(table, &its_key));
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

START_TEST(test_last_file_of_a_deep_chain_frees_it_all)
{
	enum { DEPTH = 5000 };
	Node *dir, *file;

	set_up();
	dir = root;
	for (uint64_t i = 0; i < DEPTH; i++) {
		Node *below = look_up_dir(dir, "d", 10 + i);

		if (dir != root)
			forget(dir);
		dir = below;
	}
	ck_assert_uint_eq(inode_table_depth_locked(table, dir), DEPTH);
	file = look_up_file(dir, "a", 9);
	forget(dir);
	ck_assert_uint_eq(inode_table_count_locked(table), DEPTH + 2);
	forget(file);
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

START_TEST(test_unlinked_file_lives_until_it_is_forgotten)
{
	NodeKey its_key = key(10);
	Node *file;

	set_up();
	file = look_up_file(root, "a", 10);
	remove_name(file, root, "a");
	ck_assert_ptr_eq(inode_table_find_locked(table, &its_key), file);
	ck_assert_uint_eq(node_count_names_locked(file), 0);
	forget(file);
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

static Descriptor *open_descriptor(DescriptorKind kind)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return descriptor_new_locked(&cache, fd, kind);
}

START_TEST(test_forgetting_gives_up_the_descriptors)
{
	Descriptor *cached;
	Node *file;

	set_up();
	file = look_up_file(root, "a", 10);
	file->pin = open_descriptor(DESCRIPTOR_PATH);
	cached = open_descriptor(DESCRIPTOR_WRITE);
	descriptors_cache_locked(&cache, &file->cached, cached);
	descriptor_unref_locked(&cache, cached);
	ck_assert_uint_eq(cache.open, 2);
	forget(file);
	ck_assert_uint_eq(cache.open, 0);
	tear_down();
}
END_TEST

START_TEST(test_forgetting_ends_a_pin_but_not_a_directory_in_use)
{
	Node *dir;

	set_up();
	dir = look_up_dir(root, "d", 10);
	look_up_file(dir, "a", 11);
	dir->pin = open_descriptor(DESCRIPTOR_PATH);
	cache.pinned++;
	forget(dir);
	ck_assert_ptr_null(dir->pin);
	ck_assert_uint_eq(cache.open, 0);
	/* Known again. */
	ck_assert_ptr_eq(look_up_dir(root, "d", 10), dir);
	ck_assert_uint_eq(dir->lookups, 1);
	tear_down();
}
END_TEST

START_TEST(test_freeing_the_table_frees_what_is_still_known)
{
	Node *dir, *file;

	set_up();
	dir = look_up_dir(root, "d", 10);
	file = look_up_file(dir, "a", 11);
	look_up_file(root, "b", 11);
	file->pin = open_descriptor(DESCRIPTOR_WRITE);
	dir->cached = NULL;
	descriptors_cache_locked(&cache, &dir->cached, file->pin);
	tear_down(); /* the descriptor is counted there */
}
END_TEST

START_TEST(test_control_file_has_a_new_node_each_time)
{
	Control *first = calloc(1, sizeof(*first));
	Control *second = calloc(1, sizeof(*second));
	Node *a, *b, *dir;

	set_up();
	dir = look_up_dir(root, "d", 10);
	a = inode_table_add_control_locked(table, first);
	b = inode_table_add_control_locked(table, second);
	ck_assert_ptr_ne(a, b);
	a->lookups = b->lookups = 1;
	ck_assert_int_eq(inode_table_add_name_locked(table, a, dir, ".sincefs"),
			 0);
	ck_assert_int_eq(inode_table_add_name_locked(table, b, dir, ".sincefs"),
			 0);
	forget(dir);
	ck_assert_uint_eq(inode_table_count_locked(table), 4);
	forget(a);
	forget(b);
	ck_assert_uint_eq(inode_table_count_locked(table), 1);
	tear_down();
}
END_TEST

static TCase *identity_cases(void)
{
	TCase *identity = tcase_create("identity");

	tcase_add_test(identity, test_root_has_nodeid_1_and_an_empty_path);
	tcase_add_test(identity, test_one_object_is_one_node);
	tcase_add_test(
		identity,
		test_number_used_again_with_another_birth_is_another_node);
	tcase_add_test(
		identity,
		test_without_birth_another_kind_of_object_is_another_node);
	tcase_add_test(identity, test_nodeid_never_comes_to_mean_another_node);
	tcase_add_test(
		identity,
		test_slot_with_its_generations_used_up_is_not_used_again);
	tcase_add_test(identity,
		       test_nodeids_that_were_never_given_are_unknown);
	tcase_add_test(identity,
		       test_a_hundred_thousand_nodes_are_found_and_freed);
	return identity;
}

static TCase *life_cases(void)
{
	TCase *life = tcase_create("life");

	tcase_add_test(life,
		       test_node_lives_until_its_last_look_up_is_given_back);
	tcase_add_test(life,
		       test_giving_back_more_than_was_given_is_giving_back_all);
	tcase_add_test(life, test_user_keeps_a_forgotten_node);
	tcase_add_test(life,
		       test_forgotten_directory_lives_while_a_name_lies_in_it);
	tcase_add_test(life, test_last_file_of_a_deep_chain_frees_it_all);
	tcase_add_test(life, test_unlinked_file_lives_until_it_is_forgotten);
	tcase_add_test(life, test_forgetting_gives_up_the_descriptors);
	tcase_add_test(life,
		       test_forgetting_ends_a_pin_but_not_a_directory_in_use);
	tcase_add_test(life, test_freeing_the_table_frees_what_is_still_known);
	tcase_add_test(life, test_control_file_has_a_new_node_each_time);
	return life;
}

int main(void)
{
	Suite *suite = suite_create("inode-table");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, identity_cases());
	suite_add_tcase(suite, life_cases());

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
