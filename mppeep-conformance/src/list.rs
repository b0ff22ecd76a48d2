//! The checks of each port, by name.

/// Lists the checks of a port as tests. The first argument is a port (`cache`, `rate_limiter`, `login_attempts`,
/// `sessions`, `counters`, `job_queue`, `locks`, `idempotency`, `pubsub`, `file_store`) or `store`, which stands for
/// units of work, epochs, every repository, counters, the queue, locks and idempotency keys; the second an expression that makes a fresh harness, and may `.await`.
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
            a_session_remembers_where_it_began
            no_backend_holds_a_token
            sweeping_removes_only_the_dead
            two_sweepers_count_each_row_once
            a_cancelled_login_is_whole_or_nothing
        ] }
    };
    (counters, $harness:expr) => {
        $crate::__conformance_group! { counters, $harness, [
            sixteen_writers_on_two_instances_sum_exactly
            sums_stop_at_the_ends_of_the_range
            a_batch_sent_again_counts_once
            racing_sends_of_one_batch_count_once
            a_refused_batch_leaves_nothing
            a_cancelled_batch_sent_again_counts_once
            members_and_sets_never_alias
            a_day_is_the_day_it_was_given
            series_and_tops_agree_with_a_model
            sweeping_keeps_what_counts
        ] }
    };
    (job_queue, $harness:expr) => {
        $crate::__conformance_group! { jobs, $harness, [
            a_job_is_handed_out_as_it_was_enqueued
            eight_workers_complete_each_job_once
            jobs_come_by_priority_time_and_identifier
            a_job_is_not_begun_before_its_time
            thousands_of_due_jobs_are_handed_out
            a_lapsed_lease_is_handed_out_again_until_it_is_dead
            a_poison_job_ends_dead_and_blocks_nobody
            jobs_are_listed_the_latest_first
            queues_say_how_full_they_are
            waiting_ends_and_no_job_is_forgotten
            a_cancelled_claim_loses_no_job
        ] }
        $crate::__conformance_group! { job_ends, $harness, [
            a_stale_token_does_nothing
            an_extended_lease_keeps_the_job_single
            a_late_settlement_counts_while_nobody_took_the_job
            retries_wait_and_the_last_attempt_is_dead
            a_released_job_counts_no_attempt
            a_queue_is_never_handed_the_jobs_of_another
            dead_jobs_are_revived_or_discarded
        ] }
        $crate::__conformance_group! { outbox, $harness, [
            a_job_exists_when_its_unit_commits
            one_identifier_is_one_job
            a_unique_key_is_taken_while_its_job_lives
            a_unique_key_is_not_taken_back_by_the_dead
            racing_enqueues_of_one_job_are_one
            racing_enqueues_of_one_key_are_one
            a_payload_over_the_limit_is_refused
        ] }
    };
    (locks, $harness:expr) => {
        $crate::__conformance_group! { locks, $harness, [
            one_holder_at_a_time_and_fences_grow
            of_many_at_once_one_gets_the_lock
            of_many_at_the_end_of_a_lease_one_gets_the_lock
            fences_grow_across_release_expiry_and_sweeping
            a_lock_is_free_exactly_when_its_lease_ends
            an_old_holder_changes_nothing
            a_lock_is_not_re_entrant
            a_renewed_lease_counts_from_now
            a_lease_is_believed_no_longer_than_granted
            names_never_alias
            a_cancelled_acquisition_ends_with_its_lease
        ] }
    };
    (idempotency, $harness:expr) => {
        $crate::__conformance_group! { idempotency, $harness, [
            of_many_at_once_one_may
            of_many_at_the_end_of_a_lease_one_may
            an_answer_is_given_again
            a_key_is_of_one_user_and_one_request
            a_key_is_free_again_when_its_lease_ends
            a_key_given_back_is_free_at_once
            what_was_carried_out_is_never_granted_again
            a_dropped_unit_marks_nothing
            a_mark_that_is_not_committed_yet_holds_the_key
            a_key_ends_with_its_lifetime
            sweeping_removes_keys_that_are_over
            a_cancelled_call_blocks_no_key_for_ever
        ] }
    };
    (file_store, $harness:expr) => {
        $crate::__conformance_group! { file_store, $harness, [
            contents_come_back_byte_for_byte
            a_content_is_there_whole_or_not_at_all
            a_dropped_writer_leaves_nothing
            a_cancelled_write_leaves_nothing_half
            a_content_never_changes
            writers_at_once_are_kept_apart
            a_removed_content_is_read_to_its_end
            reading_goes_on_where_it_is_told
            contents_are_listed_by_age_in_order
            sweeping_removes_what_the_dead_left
            room_is_told_where_it_can_be
        ] }
    };
    (pubsub, $harness:expr) => {
        $crate::__conformance_group! { pubsub, $harness, [
            messages_arrive_in_the_order_of_each_publisher
            nothing_from_before_is_heard
            a_channel_hears_its_own_messages_only
            payloads_come_back_byte_for_byte
            wrong_names_and_payloads_are_refused
            a_slow_subscriber_hears_a_gap
            a_dropped_wait_loses_nothing
            after_a_gap_nothing_is_missed
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
            holidays_are_one_a_day
        ] }
        $crate::__conformance_group! { absence_lists, $harness, [
            absence_filters_give_what_they_say
            absences_page_completely
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
        $crate::__conformance_group! { payroll, $harness, [
            a_slip_comes_back_as_it_was_written
            writing_again_keeps_the_identifier_and_counts
            an_older_fence_writes_nothing
            a_validated_slip_stays_as_it_is
            racing_writes_follow_their_fences
            racing_validations_are_one
            a_paused_holder_writes_nothing
        ] }
        $crate::__conformance_group! { payroll_lists, $harness, [
            slip_filters_and_sums_give_what_they_say
            slips_page_completely
            agents_to_pay_are_those_of_the_month
        ] }
        $crate::__conformance_group! { notices, $harness, [
            notices_come_back_the_latest_first
            notices_are_read_by_their_owner_only
            the_oldest_notices_make_room
            notices_are_stored_together_or_refused
        ] }
        $crate::__conformance_group! { account_tokens, $harness, [
            a_token_is_found_until_it_ends
            a_new_token_ends_the_earlier_of_its_purpose
            a_token_is_taken_once_and_ends_the_others
            racing_takes_of_one_token_are_one
            a_dropped_unit_takes_nothing
            sweeping_removes_dead_tokens_only
        ] }
        $crate::__conformance_group! { stored_files, $harness, [
            contents_are_known_as_they_were_stored
            a_content_that_is_referred_to_stays
            a_content_is_referred_to_or_removed
        ] }
        $crate::__conformance_group! { documents, $harness, [
            a_document_comes_back_as_it_was_stored
            versions_stand_beside_each_other
            a_document_update_needs_the_next_version
            racing_updates_of_one_document_are_one
            unknown_agents_and_contents_are_refused
            a_removed_document_gives_its_contents
        ] }
        $crate::__conformance_group! { document_lists, $harness, [
            document_filters_give_what_they_say
            documents_page_completely
            missing_documents_are_told
            missing_documents_page_completely
        ] }
        $crate::__conformance_group! { shared_files, $harness, [
            a_shared_file_comes_back_as_it_was_stored
            a_shared_file_update_needs_the_next_version
            racing_readers_of_one_file_are_one
            shared_file_filters_give_what_they_say
            shared_files_page_completely
            archived_files_are_found_by_age
        ] }
        $crate::__conformance_group! { photos, $harness, [
            a_photo_takes_the_place_of_the_earlier
            racing_photos_give_each_earlier_one_once
            agents_and_accounts_have_photos_of_their_own
            a_photo_of_nobody_or_of_nothing_is_refused
        ] }
        $crate::conformance_tests! { counters, $harness }
        $crate::conformance_tests! { job_queue, $harness }
        $crate::conformance_tests! { locks, $harness }
        $crate::conformance_tests! { idempotency, $harness }
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
