//! `docs/benchmarks-gateway.md`: what was measured, on what, and how.

use std::fmt::Write as _;

use anyhow::Result;

use super::Missing;
use super::subject::Subject;
use super::traffic::{Method, Row, Sample};
use crate::bench::document::{Machine, kernel, processor};
use crate::bench::plot::{self, Bar, Panel};

/// What a profile says of the rows, by hand.
const NOTES: &str = include_str!("notes.md");

const BEGINNING: &str = "\
# Benchmarks of the gateway

Written by `cargo xtask bench gateway`: every gateway in one run, on the same processor in turn, with the same backend.
Times differ from machine to machine; compare within one run. The steadiest number is processor time for each request: it
says how many requests a processor can take, whatever else the machine did.

![Processor time for each request](benchmarks-gateway.svg)
";

type Subjects<'s> = [Box<dyn Subject + 's>];

/// What is compared: a table.
struct Table {
    heading: &'static str,
    about: &'static str,
    cell: fn(&Row, usize) -> String,
    /// What our number and another's make a ratio of.
    ratio: Option<fn(&Sample) -> f64>,
}

const TABLES: [Table; 5] = [
    Table {
        heading: "Processor time for each request",
        about: "In microseconds, in the gateway and in the kernel for it; in parentheses, how many times ours it is.",
        cell: |row, index| format!("{:.1}", row.median(index, Sample::time)),
        ratio: Some(Sample::time),
    },
    Table {
        heading: "Of it in the kernel",
        about: "In microseconds.",
        cell: |row, index| format!("{:.1}", row.median(index, |sample| sample.system)),
        ratio: None,
    },
    Table {
        heading: "Requests a second",
        about: "As many as come back with so many clients that each wait for their answer; in parentheses, how many times ours it is.",
        cell: |row, index| format!("{:.0}", row.median(index, |sample| sample.answers.a_second())),
        ratio: Some(|sample| sample.answers.a_second()),
    },
    Table {
        heading: "Time to an answer",
        about: "In milliseconds, of half of the requests and of 99 of 100, at that rate: what takes more requests a second has to be asked more often.",
        cell: |row, index| {
            let part = |of: fn(&Sample) -> f64| row.median(index, of) / 1_000.0;
            format!("{:.2} / {:.2}", part(|sample| sample.answers.p50), part(|sample| sample.answers.p99))
        },
        ratio: None,
    },
    Table {
        heading: "Memory",
        about: "MiB of the process (RSS) at the end of each row.",
        cell: |row, index| format!("{:.0}", row.median(index, |sample| sample.memory) / 1_048_576.0),
        ratio: None,
    },
];

/// A row in one line, for whoever waits for it.
pub(super) fn line(row: &Row, subjects: &Subjects<'_>) -> String {
    let mut text = row.scenario.name.to_owned();
    for (index, subject) in subjects.iter().enumerate() {
        let median = |of: fn(&Sample) -> f64| row.median(index, of);
        // Writing to a String cannot fail.
        write!(
            text,
            " | {} {:.2} us ({:.2} + {:.2}), {:.0}/s, {:.0} / {:.0} us, {:.0} MiB, {:.0} %",
            subject.name(),
            median(Sample::time),
            median(|sample| sample.user),
            median(|sample| sample.system),
            median(|sample| sample.answers.a_second()),
            median(|sample| sample.answers.p50),
            median(|sample| sample.answers.p99),
            median(|sample| sample.memory) / 1_048_576.0,
            100.0 * median(|sample| sample.share),
        )
        .ok();
    }
    if let Some(direct) = row.direct() {
        write!(text, " | without {direct:.0}/s").ok();
    }
    text
}

/// The whole document.
pub(super) fn write(
    rows: &[Row],
    subjects: &Subjects<'_>,
    missing: &[Missing],
    method: &Method,
    machine: &Machine,
) -> Result<String> {
    let names: Vec<_> =
        subjects.iter().map(|subject| format!("{} {}", subject.name(), subject.version())).collect();
    let mut text = BEGINNING.to_owned();
    for Table { heading, about, cell, ratio } in &TABLES {
        write!(
            text,
            "\n## {heading}\n\n{about}\n\n| | {} |\n|---|{}\n",
            names.join(" | "),
            "---|".repeat(names.len())
        )?;
        for row in rows {
            let cells: Vec<_> = (0..subjects.len())
                .map(|index| match ratio {
                    Some(of) if index > 0 => {
                        format!("{} ({:.2})", cell(row, index), row.median(index, of) / row.median(0, of))
                    }
                    _ => cell(row, index),
                })
                .collect();
            writeln!(text, "| {} | {} |", row.scenario.title, cells.join(" | "))?;
        }
    }
    how(&mut text, rows, method, machine)?;
    for name in missing {
        writeln!(text, "- {name} could not be installed where this ran, so it is not in the tables.")?;
    }
    Ok(text + "\n" + NOTES)
}

/// How it was measured.
fn how(text: &mut String, rows: &[Row], method: &Method, machine: &Machine) -> Result<()> {
    let Machine { processors, memory_gib } = machine;
    let Method { rounds, seconds, warm_up, .. } = method;
    let (processor, kernel) = (processor()?, kernel()?);
    let samples = || rows.iter().flat_map(|row| row.samples.iter().flatten());
    let requests: f64 = samples().map(|sample| sample.answers.requests).sum();
    let errors: f64 = rows.iter().map(Row::errors).sum();
    let (all, disturbed) = (samples().count(), samples().filter(|sample| !sample.was_quiet).count());
    write!(
        text,
        "\n## How it was measured\n\n\
         - A machine with {processors} processors ({processor}), {memory_gib} GiB of memory and Linux {kernel}. The gateway has one processor and one\n  \
           worker; the backend and what makes the load share the other.\n\
         - {rounds} rounds of {seconds} s, after {warm_up} s that do not count. In each round all gateways have their turn, started anew; the\n  \
           median of the rounds counts. A measurement during which something else had a tenth of the two processors was made\n  \
           again; of {all}, {disturbed} are among those that count all the same.\n\
         - {errors:.0} of {requests:.0} requests were not answered with 200. Before the first round of each row the body, the trailers and the\n  \
           headers of one request are looked at, in its answer and in what the backend got.\n\
         - Answers have 1 KiB, but for the row that says otherwise, and requests no body, but for gRPC: a message of 4 bytes.\n\
         - Connections stay open on both sides and in all gateways, but where the row says otherwise. wrk makes HTTP/1.1, h2load\n  \
           HTTP/2 and gRPC, clients of our own the handshakes (TLS 1.3, X25519, ECDSA with P-256, no session taken up again).\n\
         - All gateways do what a gateway does: they set X-Forwarded-For, -Proto, -Host and -Port, make an id for the request and\n  \
           give it to backend and client, and pass on what 1, 1,000 or 10,000 prefixes of paths say, all to one backend. Every route\n  \
           gets as many requests as the others.\n\
         - Everything is in a network namespace of its own where that is possible, so that no rules of a firewall are counted.\n\
         - Flotilla runs with what is on by default: metrics of each route, an access log of one request in a hundred, checks of the\n  \
           request against smuggling. The others have no access log. Their configurations are in `xtask/src/bench/gateway/`.\n"
    )?;
    let direct: Vec<_> = rows
        .iter()
        .filter_map(|row| Some(format!("{:.0} ({})", row.direct()?, row.scenario.title)))
        .collect();
    if !direct.is_empty() {
        writeln!(
            text,
            "- Without a gateway, load and backend alone reach so many requests a second: {}.",
            direct.join("; ")
        )?;
    }
    Ok(())
}

/// The plot: processor time, a panel for each row.
pub(super) fn plot(rows: &[Row], subjects: &Subjects<'_>) -> String {
    let panel = |row: &Row| Panel {
        title: row.scenario.title.to_owned(),
        bars: subjects
            .iter()
            .enumerate()
            .map(|(index, subject)| {
                let amount = row.median(index, Sample::time);
                Bar {
                    name: subject.name().to_owned(),
                    amount,
                    text: format!("{amount:.1} µs"),
                    is_ours: index == 0,
                }
            })
            .collect(),
    };
    plot::draw(&rows.iter().map(panel).collect::<Vec<_>>())
}
