//! Runs other programs to their end: quiet, their output in a log, the log's tail shown when they fail.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Lines of a log that are shown when a program fails.
const TAIL_LINES: usize = 30;
/// No more than this much of a log is read for its tail.
const TAIL_BYTES: u64 = 64 * 1024;

/// Runs a command, its output appended to `log`. When it fails, the error ends with the log's tail.
pub(crate) fn run(command: &mut Command, log: &Path) -> Result<()> {
    let out = open_log(log)?;
    let err = out.try_clone()?;
    let status = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .status()
        .with_context(|| format!("starting {}", name(command)))?;
    if !status.success() {
        bail!("{} ended with {status}\n{}", line(command), tail(log));
    }
    Ok(())
}

/// Runs a command and returns what it wrote to standard output. When it fails, the error has its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {}", name(command)))?;
    if !status.success() {
        bail!("{} ended with {status}\n{}", line(command), String::from_utf8_lossy(&stderr).trim_end());
    }
    String::from_utf8(stdout).with_context(|| format!("{} wrote something that is not UTF-8", name(command)))
}

/// Runs a command with `input` as its standard input and returns what it wrote to standard output.
pub(crate) fn output_with_input(command: &mut Command, input: &[u8]) -> Result<String> {
    // A file instead of a pipe: the command may write much before it has read all, and a pipe would then block both.
    let mut file = tempfile::tempfile()?;
    std::io::Write::write_all(&mut file, input)?;
    file.seek(SeekFrom::Start(0))?;
    let Output { status, stdout, stderr } =
        command.stdin(file).output().with_context(|| format!("starting {}", name(command)))?;
    if !status.success() {
        bail!("{} ended with {status}\n{}", line(command), String::from_utf8_lossy(&stderr).trim_end());
    }
    String::from_utf8(stdout).with_context(|| format!("{} wrote something that is not UTF-8", name(command)))
}

/// Whether a command succeeds; its output is nobody's concern.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Opens a log for appending, with its folder.
pub(crate) fn open_log(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("opening {}", log.display()))
}

/// The last lines of a log, under its path.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let lines: Vec<_> = text.lines().collect();
            let last = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
            format!("--- the end of {} ---\n{}", log.display(), last.join("\n"))
        }
        Err(error) => format!("--- {} cannot be read: {error} ---", log.display()),
    }
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(command.get_program().to_string_lossy()).chain(arguments).collect::<Vec<_>>().join(" ")
}
