//! The promises under failure, a few seconds each: counts decide, not times. The program `promises` takes them at length.

use mppeep_tests::promises::{ROWS, Scale, row};

async fn hold(id: &str) {
    let report = row(id).run(&Scale::short()).await;
    println!("{report}");
    assert!(report.broken.is_empty(), "{report}");
}

macro_rules! promises {
    ($($name:ident $id:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                hold($id).await;
            }
        )*

        /// No row is left out.
        #[test]
        fn every_row_is_held() {
            let held = [$($id),*];
            let all: Vec<&str> = ROWS.iter().map(|row| row.id).collect();
            assert_eq!(held.to_vec(), all);
        }
    };
}

promises! {
    redis_up "X-R0";
    redis_keys_end "X-R1";
    redis_killed "X-R2";
    redis_hangs "X-R3";
    redis_flushed "X-R4";
    redis_full "X-R5";
    redis_evicts "X-R6";
    redis_ends_clients "X-R7";
    redis_comes_later "X-R10";
    redis_over_bad_ways "X-R12";
    postgres_killed "X-P1";
    postgres_hangs "X-P2";
    postgres_ends_sessions "X-P3";
    postgres_has_no_session_left "X-P4";
    postgres_read_only "X-P6";
    postgres_restarts "X-P7";
    postgres_comes_later "X-P8";
    postgres_pooled "X-P10";
    server_killed_under_writers "X-S1";
    two_instances "X-S5";
    sqlite_held "X-S8";
    little_memory "X-S10";
}
