//! The checks of each port, by name.

/// Lists the checks of a port as tests. The first argument is a port (`cache`, `rate_limiter`, `login_attempts`,
/// `sessions`) or `store`, which stands for units of work, epochs and every repository; the second an expression that
/// makes a fresh harness, and may `.await`.
#[macro_export]
macro_rules! conformance_tests {
    (cache, $harness:expr) => {
        $crate::__conformance_group! { cache, $harness, [
            keys_never_alias
            payloads_come_back_byte_for_byte
            a_value_over_the_limit_is_refused_and_leaves_nothing
            a_value_is_fresh_then_stale_then_gone
            a_hard_time_before_the_soft_time_wins
            one_caller_gets_the_lease
            one_caller_refreshes_a_stale_value
            a_lapsed_lease_passes_on_and_fills_nothing
            a_lease_given_back_is_free_at_once
            a_refresh_given_back_keeps_the_old_value
            a_fill_without_the_lease_is_refused
            another_schema_or_epoch_is_another_entry
            cold_readers_on_three_instances_load_once
            a_reader_who_knows_of_a_write_never_sees_what_was_before
            a_cancelled_call_leaves_the_entry_usable
        ] }
    };
    (rate_limiter, $harness:expr) => {
        $crate::__conformance_group! { rate_limiter, $harness, [
            every_answer_agrees_with_the_model
            a_burst_over_two_instances_is_exact
            refusals_take_nothing
            waiting_exactly_retry_after_passes
            a_clock_set_back_unlocks_nobody_and_locks_nobody_out
            new_numbers_hold_from_the_next_call_on
            policies_and_keys_never_share_a_state
            a_cancelled_call_takes_one_request_or_none
        ] }
    };
    (login_attempts, $harness:expr) => {
        $crate::__conformance_group! { login_attempts, $harness, [
            five_failures_block_until_the_oldest_ends
            blocked_attempts_do_not_lengthen_the_window
            thirty_wrong_passwords_at_once_are_five
            twelve_right_passwords_at_once_all_pass
            a_success_gives_back_only_its_own_failures
            own_logins_never_help_guessing_another_account
            a_hammered_account_is_spaced_out_not_locked
            a_spaced_account_lets_one_attempt_through_at_a_time
            a_known_address_is_exempt_from_the_spacing
            an_attempt_that_never_settles_frees_its_slot
            a_late_failure_counts_once
            addresses_and_accounts_never_alias
            two_instances_count_together
            sweeping_changes_no_answer_and_leaves_nothing_for_ever
            a_cancelled_call_leaves_the_count_right
        ] }
    };
    (sessions, $harness:expr) => {
        $crate::__conformance_group! { sessions, $harness, [
            a_session_is_loaded_as_it_was_created
            one_key_is_never_two_sessions
            nothing_revives_a_revoked_session
            a_login_that_read_the_account_before_is_stale
            logins_racing_with_a_revocation_do_not_survive_it
            revoking_all_but_one_spares_that_one
            a_handle_is_revoked_by_its_owner_only
            a_closed_account_has_no_sessions
            changed_roles_are_seen_by_the_next_load
            other_changes_are_seen_without_ending_sessions
            a_session_ends_exactly_and_does_not_slide
            an_idle_session_ends_and_use_is_noted_once_a_minute
            the_list_shows_live_sessions_newest_first
            no_backend_holds_a_token
            sweeping_removes_only_the_dead
            two_sweepers_count_each_row_once
            a_cancelled_login_is_whole_or_nothing
        ] }
    };
    (store, $harness:expr) => {
        $crate::__conformance_group! { units, $harness, [
            a_dropped_unit_leaves_nothing
            a_commit_is_seen_by_every_instance
            a_conflict_leaves_the_unit_usable
            a_stale_version_leaves_the_unit_usable
            a_dangling_reference_leaves_the_unit_usable
            a_reading_unit_refuses_every_write
            a_reading_unit_sees_one_moment
            a_failed_unit_is_poisoned
            many_writers_on_two_instances_all_commit
            a_cancelled_unit_is_whole_or_nothing
            an_idle_reader_does_not_stop_writers
        ] }
        $crate::__conformance_group! { epochs, $harness, [
            a_bump_commits_with_its_data
            a_dropped_bump_changes_nothing
            epochs_of_racing_writers_are_all_different
            every_namespace_stands_alone
        ] }
        $crate::__conformance_group! { personnel, $harness, [
            a_file_comes_back_as_it_was_stored
            a_matricule_is_unique_whatever_its_case
            a_former_matricule_stays_taken
            racing_inserts_of_one_matricule_are_one
            an_update_needs_the_next_version
            racing_updates_of_one_version_are_one
            unknown_references_are_refused
            many_files_are_stored_together_or_refused
            files_are_found_by_matricule_and_identifier
            duplicates_are_found_by_name_and_birth_or_card
            retirement_days_are_set_without_a_change
        ] }
        $crate::__conformance_group! { personnel_lists, $harness, [
            every_filter_gives_what_it_says
            every_sort_pages_completely_and_without_repeats
            pages_by_number_are_the_same_list
            a_page_is_not_disturbed_by_a_row_before_it
            search_words_are_taken_literally
        ] }
        $crate::__conformance_group! { figures, $harness, [
            figures_are_the_totals_of_their_lists
            figures_of_an_empty_ministry_are_zero
        ] }
        $crate::__conformance_group! { organisation, $harness, [
            units_come_back_in_name_order
            codes_are_unique_within_their_level
            parents_and_heads_must_exist
            a_unit_update_needs_the_next_version
            agents_are_counted_below_a_unit
        ] }
        $crate::__conformance_group! { absences, $harness, [
            an_absence_comes_back_as_it_was_stored
            two_absences_never_share_a_half_day
            racing_absences_of_one_day_are_one
            a_cancelled_absence_gives_its_half_days_back
            an_update_keeps_its_own_half_days
            many_absences_are_stored_together_or_refused
            absences_touching_days_are_found
            absence_filters_give_what_they_say
            absences_page_completely
            holidays_are_one_a_day
        ] }
        $crate::__conformance_group! { evaluations, $harness, [
            an_evaluation_comes_back_as_it_was_stored
            an_agent_has_one_evaluation_a_year
            an_evaluation_update_needs_the_next_version
            evaluation_filters_give_what_they_say
            evaluations_page_completely
        ] }
        $crate::__conformance_group! { users, $harness, [
            an_account_comes_back_as_it_was_stored
            addresses_and_agents_have_one_account
            an_account_update_keeps_password_and_login
            sessions_end_with_the_commit_that_ends_them
            a_new_password_ends_all_sessions_but_one
            a_rehash_replaces_only_the_hash_it_knows
            logins_and_charters_are_noted
            accounts_are_listed_with_their_live_sessions
            accounts_are_counted
        ] }
        $crate::__conformance_group! { activities, $harness, [
            lines_come_back_as_they_were_written
            lines_are_listed_the_latest_first
            activity_filters_give_what_they_say
        ] }
        $crate::__conformance_group! { settings, $harness, [
            settings_never_saved_have_their_defaults
            a_section_is_saved_under_its_next_version
            racing_saves_of_one_version_are_one
            facts_are_remembered
        ] }
        $crate::__conformance_group! { imports, $harness, [
            an_upload_comes_back_to_its_owner_only
            an_import_moves_from_the_expected_status_only
            racing_runs_of_one_import_are_one
            imports_are_listed_the_latest_first_and_removed_by_age
        ] }
    };
}

/// A module of tests, one a check.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_group {
    ($group:ident, $harness:expr, [$($check:ident)*]) => {
        mod $group {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let harness = $harness;
                    $crate::$group::$check(&harness).await;
                }
            )*
        }
    };
}
