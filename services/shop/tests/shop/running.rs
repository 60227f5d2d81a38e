//! A shop that runs as a program, for as long as a test.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use flotilla_shop::walk::{Options, Version};

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_shop");

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long the end may take.
const END: Duration = Duration::from_secs(15);

/// A shop that starts.
pub(crate) struct Starting {
    child: Child,
    output: BufReader<ChildStdout>,
    errors: Arc<Mutex<String>>,
}

/// A shop that runs. It ends with the test.
pub(crate) struct Running {
    child: Child,
    /// Open until the end, as a terminal is.
    _output: BufReader<ChildStdout>,
    errors: Arc<Mutex<String>>,
    /// The gateway.
    pub(crate) url: String,
    /// The inbox.
    pub(crate) inbox: String,
    /// All that it leaves behind while it runs.
    pub(crate) folder: PathBuf,
}

impl Running {
    /// Starts one with free ports.
    pub(crate) fn begin(arguments: &[&str]) -> Starting {
        let mut command = Command::new(PROGRAM);
        command.args(["dev", "--port=0", "--inbox-port=0"]).args(arguments);
        // Those of a developer's shell are not for the services that it starts.
        command.env("SHOP_DATABASE_URL_FILE", "/no/such/file").env("GATEWAY_CONFIG", "/no/such/file");
        // A group of its own, as a shell makes it for what is in front.
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (errors, mut source) = (Arc::new(Mutex::new(String::new())), child.stderr.take().unwrap());
        let kept = Arc::clone(&errors);
        thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = source.read(&mut bytes) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Starting { child, output, errors }
    }

    /// Starts one with free ports, and waits until it runs.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::begin(arguments).ready()
    }

    /// What a customer of it goes by.
    pub(crate) fn options(&self, version: Version) -> Options {
        Options {
            shop: self.url.parse().unwrap(),
            inbox: self.inbox.parse().unwrap(),
            connect_to: None,
            version,
            payment_method: "pm_card_visa".to_owned(),
            patience: Duration::from_secs(60),
        }
    }

    /// What a service has logged.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join("logs").join(format!("{name}.log"))).unwrap()
    }

    /// Waits until a log is as it should be.
    pub(crate) async fn eventually(&self, name: &str, what: &str, is_so: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_so(&self.log(name)) {
            assert!(Instant::now() < deadline, "{what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The services that it has started.
    pub(crate) fn children(&self) -> Vec<u32> {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        all.filter(|id| parent(*id) == Some(self.child.id()))
            .filter(|id| command_line(*id).iter().any(|argument| argument == "--end-with-stdin"))
            .collect()
    }

    /// A service that it has started.
    pub(crate) fn child(&self, name: &str) -> u32 {
        let mut all = self.children().into_iter();
        all.find(|id| command_line(*id).iter().any(|argument| argument == name)).unwrap()
    }

    /// As by Ctrl-C: it ends quietly, in time.
    pub(crate) fn interrupt(mut self) {
        interrupt(&self.child);
        let status = self.wait(END);
        assert!(status.success(), "{status}: {}", self.errors());
    }

    /// Kills it alone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends.
    pub(crate) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has written for a person who has to do something.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.child.kill().is_ok();
        let _reaped = self.child.wait().is_ok();
    }
}

impl Starting {
    /// As by Ctrl-C, some time after it has begun and before it runs: it ends quietly. Returns the id that it had.
    pub(crate) fn interrupt_after(mut self, time: Duration) -> u32 {
        eventually("it does not begin", || self.errors.lock().unwrap().contains("Starting"));
        thread::sleep(time);
        interrupt(&self.child);
        let status = self.child.wait().unwrap();
        if !status.success() {
            // What it said last may still be on its way.
            thread::sleep(Duration::from_millis(500));
            panic!("{status}: {}", self.errors.lock().unwrap());
        }
        self.child.id()
    }

    /// Waits until it runs.
    pub(crate) fn ready(mut self) -> Running {
        let mut text = String::new();
        // The last line says how it ends.
        while !text.contains("Ctrl-C") {
            if self.output.read_line(&mut text).unwrap() == 0 {
                let status = self.child.wait().unwrap();
                panic!("it does not run: {status}\n{}", self.errors.lock().unwrap());
            }
        }
        let field = |name: &str| {
            let mut lines = text.lines().map(|line| line.split_whitespace());
            let found = lines.find_map(|mut words| (words.next()? == name).then(|| words.next()).flatten());
            found.unwrap_or_else(|| panic!("there is no {name} in\n{text}")).to_owned()
        };
        let (url, inbox, logs) = (field("shop"), field("inbox"), PathBuf::from(field("logs")));
        let folder = logs.parent().unwrap().to_owned();
        Running { child: self.child, _output: self.output, errors: self.errors, url, inbox, folder }
    }
}

/// Sends what a terminal does, to all that is in front there.
fn interrupt(child: &Child) {
    let group = format!("-{}", child.id());
    let sent = Command::new("kill").args(["-INT", "--", &group]).status().unwrap();
    assert!(sent.success());
}

/// The processes that work in a folder, as a Postgres does in its data.
pub(crate) fn processes_in(folder: &Path) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    all.filter(|id| fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|at| at.starts_with(folder))).collect()
}

/// Whether a process runs, and is not only waited for.
pub(crate) fn is_alive(id: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE / 6;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn parent(id: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    status.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}

fn command_line(id: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).split('\0').map(str::to_owned).collect()
}
