//! Real servers, started and ended.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use flotilla_testbed::{Kafka, Postgres, RabbitMq, Redis};

fn address(url: &str) -> &str {
    let at = url.rsplit('@').next().unwrap();
    at.trim_start_matches("redis://").trim_start_matches("kafka://").split('/').next().unwrap()
}

fn listens(url: &str) -> bool {
    TcpStream::connect(address(url)).is_ok()
}

fn folders(process: u32) -> usize {
    let prefix = format!("flotilla-testbed-{process}-");
    let entries = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).count()
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn each_runs_is_killed_comes_back_and_goes_with_its_owner() {
    let before = folders(std::process::id());
    let (mut postgres, mut redis) = (Postgres::start().unwrap(), Redis::start().unwrap());
    let (mut rabbitmq, mut kafka) = (RabbitMq::start().unwrap(), Kafka::start().unwrap());
    let urls = [postgres.url("postgres"), redis.url(), rabbitmq.url(), kafka.url()];
    assert!(urls.iter().all(|url| listens(url)));
    postgres.run("postgres", "create database kept").unwrap();
    let error = postgres.run("postgres", "create database kept").unwrap_err().to_string();
    assert!(error.contains("already exists"), "{error}");
    postgres.stop().unwrap();
    redis.kill().unwrap();
    rabbitmq.wipe().unwrap();
    kafka.kill().unwrap();
    assert!(!urls.iter().any(|url| listens(url)));
    postgres.start_again().unwrap();
    redis.start_again().unwrap();
    rabbitmq.start_again().unwrap();
    kafka.start_again().unwrap();
    kafka.wipe().unwrap();
    kafka.start_again().unwrap();
    assert!(urls.iter().all(|url| listens(url)));
    postgres.run("kept", "select 1").unwrap();
    drop((postgres, redis, rabbitmq, kafka));
    // Not by their ports: others of this machine may have them by now.
    assert_eq!(folders(std::process::id()), before);
}

#[test]
fn data_in_a_folder_of_ones_own_stay_and_have_one_user() {
    let parent = tempfile::tempdir().unwrap();
    // Servers may run as somebody else, who has to get there.
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let folder = parent.path().join("kept");
    let first = Postgres::start_in(&folder).unwrap();
    let url = first.url("postgres");
    first.run("postgres", "create database kept").unwrap();
    let error = Postgres::start_in(&folder).unwrap_err().to_string();
    assert!(error.contains("kept is in use"), "{error}");
    drop(first);
    assert!(!listens(&url));
    let second = Postgres::start_in(&folder).unwrap();
    second.run("kept", "select 1").unwrap();
    drop(second);
    assert!(folder.join("data").exists() && !folder.join("pid").exists());
}

/// What the next test kills.
#[test]
#[ignore = "a process that another test starts"]
fn owner_of_a_server() {
    let redis = Redis::start().unwrap();
    println!("url {}", redis.url());
    thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_server_goes_with_an_owner_that_is_killed() {
    let mut owner = Command::new(std::env::current_exe().unwrap());
    owner.args(["owner_of_a_server", "--exact", "--ignored", "--nocapture"]).stdout(Stdio::piped());
    let mut owner = owner.spawn().unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let url = lines.map(Result::unwrap).find_map(|line| Some(line.split_once("url ")?.1.to_owned())).unwrap();
    assert!(listens(&url));
    assert_eq!(folders(owner.id()), 1);
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the server outlived its owner", || !listens(&url));
    eventually("the folder outlived its owner", || folders(owner.id()) == 0);
    assert!(!Path::new("/proc").join(owner.id().to_string()).exists());
}
