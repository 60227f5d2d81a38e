//! What passwords take of memory, with the allocator that the program has. A process of its own: nobody else takes memory here.

use std::time::{Duration, Instant};

use flotilla_kit::Secret;
use flotilla_user_service::crypto::{Cost, Passwords};
use tokio::time::sleep;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// KiB of memory that this process has.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_system_has_back_what_a_hash_took_although_nothing_happens_any_more() {
    let cost = Cost { memory_kib: 64 * 1024, passes: 1, lanes: 1 };
    let passwords = Passwords::new(cost, 1, 1).unwrap();
    let before = resident().unwrap();
    passwords.hash(&Secret::new("correct horse".to_owned())).await.unwrap();
    let with = resident().unwrap();
    assert!(with > before + 60 * 1024, "{before} and {with}");
    // The thread that has hashed ends after ten seconds without work, and with it goes what is asked for here.
    let deadline = Instant::now() + Duration::from_secs(8);
    while resident().unwrap() > before + 16 * 1024 {
        assert!(Instant::now() < deadline, "{before}, {with}, and still {resident:?}", resident = resident());
        sleep(Duration::from_millis(100)).await;
    }
}
