//! The store's tests: one list of cases, run on SQLite and on PostgreSQL alike. PostgreSQL is Debian's package, started
//! here in a folder of its own; when it is not installed, the tests fail. Few `#[test]`s, since a test runner with one
//! process per test would start a server for each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod boots;
mod cabling;
mod credentials;
mod drift;
mod enrolments;
mod exchanges;
mod firmware;
mod fixture;
mod hashes;
mod history;
mod identity;
mod image_gc;
mod images;
mod installs;
mod ipam;
mod jobs;
mod leases;
mod node_events;
mod nodes;
mod people;
mod pg;
mod rollouts;
mod rules;
mod secrets;
mod sqlite_only;
mod transactions;
mod tries;

use fixture::Db;
use higuma::store::Store;
use std::time::Instant;

/// Name and future of a case.
macro_rules! cases {
    ($db:ident, $ran:ident: $($module:ident :: $case:ident),+ $(,)?) => {
        $(
            let started = Instant::now();
            let case = concat!(stringify!($module), "::", stringify!($case));
            let (backend, database) = ($db.backend(), $db.fresh(case));
            println!("{backend}: {case} ...");
            $module::$case(database).await;
            println!("{backend}: {case} ok ({} ms)", started.elapsed().as_millis());
            $ran += 1;
        )+
    };
}

async fn run_all(databases: fixture::Databases) {
    let mut ran = 0;
    cases!(databases, ran:
        nodes::round_trip_and_replace,
        nodes::pages_are_stable,
        nodes::filters_find_substrings_and_escape,
        nodes::macs_are_replaced_and_found,
        nodes::neighbours_are_replaced,
        nodes::counts_agree_with_the_listing,
        nodes::an_unknown_profile_is_refused,
        nodes::those_that_do_not_run_and_where,
        nodes::a_bad_stored_value_is_named,
        node_events::told_once_until_put_right,
        node_events::counted_and_pruned,
        node_events::seen_together_and_over_by_age,
        firmware::rules_keep_their_order,
        firmware::attempts_are_handed_out_reported_and_judged,
        firmware::a_node_has_one_open_attempt,
        firmware::what_counts_is_never_pruned,
        firmware::standings_are_counted_and_paged,
        firmware::archives_in_use_are_never_forgotten,
        identity::facts_are_found_by_name_alias_and_address,
        identity::open_events_by_subject,
        identity::a_merge_moves_everything,
        cabling::links_are_kept_confirmed_ended_and_pruned,
        cabling::links_are_found_by_node_and_switch_and_paged,
        cabling::a_merge_takes_the_cables_along,
        cabling::switches_are_described_anew_paged_and_forgotten,
        cabling::expected_cabling_is_replaced_and_found_by_any_name,
        history::versions_are_kept,
        history::pruned_by_number_and_by_bytes,
        history::events_of_many_nodes_and_their_names,
        history::an_older_database_is_moved,
        credentials::rows_come_back_and_go,
        credentials::a_node_has_one_planned_and_one_proven,
        credentials::two_at_once_have_one_winner,
        enrolments::round_trip_pages_and_counts,
        enrolments::found_by_what_they_tell,
        enrolments::due_ones_and_keys,
        ipam::pools_and_addresses_come_back,
        ipam::devices_have_addresses_of_their_own,
        ipam::sightings_are_kept_marked_and_paged,
        ipam::two_servers_never_give_one_address_twice,
        leases::leases_come_back_and_are_found_by_every_name,
        leases::who_has_an_address_keeps_it,
        leases::a_late_word_takes_nothing_back,
        leases::the_next_free_address,
        leases::a_full_pool_gives_none_then_what_is_over_for_longest,
        leases::a_large_pool_is_searched_to_its_last_address,
        leases::what_a_node_has_is_never_leased,
        leases::two_servers_never_lease_one_address_twice,
        leases::old_leases_are_forgotten_in_pieces,
        leases::ipam_gives_nothing_that_is_leased,
        leases::pools_keep_what_they_say_to_dhcp,
        exchanges::added_once_and_paged,
        exchanges::bounded_by_number_and_age_and_moved,
        exchanges::the_boot_after_and_its_last_report,
        boots::round_trip_and_lookups,
        boots::pages_newest_first,
        boots::overdue,
        boots::events_are_idempotent_and_bounded,
        boots::offers_are_pruned_and_bound,
        boots::offers_expire,
        images::images_are_immutable_and_paged,
        images::blobs_in_use_are_never_forgotten,
        images::a_blob_arrives_or_leaves,
        images::first_stages_replace_each_other,
        images::profiles_and_revisions,
        images::labels_and_notes,
        image_gc::what_is_named_stays,
        image_gc::a_blob_that_is_wanted_again_is_young,
        image_gc::it_runs_at_every_moment,
        jobs::round_trip_counts_and_pages,
        jobs::people_and_rollouts,
        jobs::items_step_once_and_a_node_has_one_at_a_time,
        jobs::a_merge_takes_waiting_items_along,
        jobs::racing_claimants_never_share_an_item,
        jobs::a_lost_lease_is_taken_over,
        rollouts::round_trip_counts_and_pages,
        rollouts::calls_step_once_and_secrets_are_found_by_key,
        rollouts::open_ones_hold_images_and_pins_go,
        rollouts::changes_count_and_calls_end,
        rollouts::a_restart_is_asked_of_one_boot,
        rollouts::two_servers_never_step_one_at_once,
        drift::stale_until_settled_by_who_saw_it,
        drift::counted_by_what_a_reboot_would_do,
        drift::contents_go_with_the_last_boot,
        drift::a_new_revision_makes_its_nodes_stale_without_writing_them,
        installs::they_come_back_and_move,
        installs::boots_of_nodes_that_were_left,
        tries::they_come_back_and_go_with_what_they_name,
        tries::who_is_in_fallback,
        tries::what_they_ran_last_holds_its_image,
        tries::power_actions_are_found,
        drift::a_pinned_node_is_worked_out_by_its_own_revision,
        secrets::rows_come_back_and_go,
        secrets::users_and_nodes_are_those_that_count,
        secrets::a_mark_is_settled_by_who_saw_it,
        rules::a_list_replaces_a_list,
        rules::facts_are_replaced_found_and_made_anew,
        rules::who_admitted_and_what_is_equal,
        rules::tags_holders_and_numbers,
        people::tokens_sessions_settings,
        transactions::an_error_rolls_back_everything,
        transactions::a_dropped_statement_error_rolls_back,
        transactions::a_panic_is_an_error_and_the_store_lives,
        transactions::reads_cannot_write_and_see_one_snapshot,
        transactions::concurrent_increments_are_all_counted,
        transactions::many_nodes_at_once,
        transactions::concurrent_inserts_have_one_winner,
        transactions::opened_twice_at_once_from_empty,
    );
    let version = Store::open(&databases.fresh("version").url).unwrap().version().await.unwrap();
    println!("store: {ran} tests on {version}");
}

/// Panics on purpose are not for the log: with thirty of them nobody would see another one.
fn quiet_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let words = info.payload_as_str().unwrap_or_default();
        if !words.contains("on purpose") {
            usual(info);
        }
    }));
}

fn runtime() -> tokio::runtime::Runtime {
    static QUIET: std::sync::Once = std::sync::Once::new();
    QUIET.call_once(quiet_panics);
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

#[test]
fn on_sqlite() {
    let databases = fixture::Databases::sqlite();
    runtime().block_on(run_all(databases));
}

#[test]
fn on_postgres() {
    // This thread must live as long as the server: it ends with the thread that started it.
    let server = pg::Server::start();
    println!("PostgreSQL: {}", server.version);
    runtime().block_on(async {
        transactions::a_lost_connection_is_told_and_recovers(&server).await;
        run_all(fixture::Databases::postgres(&server)).await;
    });
}

#[test]
fn hashes_on_both() {
    let server = pg::Server::start();
    let (sqlite, postgres) = (fixture::Databases::sqlite(), fixture::Databases::postgres(&server));
    runtime().block_on(hashes::depend_on_what_they_are_of_alone(sqlite, postgres));
}

#[test]
fn sqlite_only() {
    runtime().block_on(async {
        sqlite_only::a_failing_job_takes_nobody_along().await;
        sqlite_only::a_full_queue_is_unavailable().await;
        sqlite_only::a_newer_database_is_refused();
        sqlite_only::the_file_is_private();
        sqlite_only::throughput().await;
    });
    sqlite_only::acknowledged_writes_survive_kill_9();
}

/// Not a test by itself: the child that `acknowledged_writes_survive_kill_9` kills.
#[test]
fn child_that_writes() {
    if let Ok(url) = std::env::var(sqlite_only::CHILD_ENV) {
        runtime().block_on(sqlite_only::write_for_ever(&url));
    }
}
