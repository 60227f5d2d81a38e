//! `docs/benchmarks-shop.md`: what was measured, on what, and how.

use std::fmt::Write as _;

use anyhow::Result;

use super::measure::{Method, Sample};
use super::workload::{Kind, Workload};
use crate::bench::document::{Machine, kernel, processor};
use crate::bench::median::median;

const MIB: f64 = 1_048_576.0;

/// A shop, as the document tells of it.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) made_with: String,
    /// Bytes of all that has to be there.
    pub(super) size: f64,
}

/// What a workload has brought.
pub(super) struct Row {
    pub(super) workload: &'static Workload,
    /// Of each shop, in their order, one for each round.
    pub(super) samples: Vec<Vec<Sample>>,
}

impl Row {
    /// The median of all rounds, of each shop.
    fn medians(&self, of: fn(&Sample) -> f64) -> Vec<f64> {
        self.samples.iter().map(|samples| median(samples.iter().map(of))).collect()
    }
}

/// What a whole run has brought.
pub(super) struct Results<'r> {
    pub(super) subjects: &'r [Subject],
    pub(super) missing: &'r [String],
    pub(super) rows: &'r [Row],
    /// Orders a second of pgbench, one for each round.
    pub(super) bar: &'r [f64],
    pub(super) method: Method,
    pub(super) postgres: &'r str,
}

/// What is compared: a table.
struct Table {
    heading: &'static str,
    about: &'static str,
    of: fn(&Sample) -> f64,
    cell: fn(f64) -> String,
    has_ratio: bool,
    /// Whether a row says within which time answers have to come.
    has_bound: bool,
}

const TABLES: [Table; 6] = [
    Table {
        heading: "Requests for each second of processor time",
        about: "Of the shop alone, without Postgres: how many requests a processor can take when nothing else limits it.",
        of: |sample| 1_000.0 / sample.best.shop,
        cell: |requests| format!("{requests:.0}"),
        has_ratio: true,
        has_bound: false,
    },
    Table {
        heading: "Requests a second",
        about: "The highest constant rate at which every request was answered as it should be, and 99 of 100 within the time that the\nrow says, counted from when each was to be sent.",
        of: |sample| sample.best.rate,
        cell: |rate| format!("{rate:.0}"),
        has_ratio: true,
        has_bound: true,
    },
    Table {
        heading: "Time to an answer",
        about: "In milliseconds, of 99 of 100, at that rate.",
        of: |sample| sample.best.p99,
        cell: |time| format!("{time:.1}"),
        has_ratio: false,
        has_bound: false,
    },
    Table {
        heading: "Processor time of Postgres for 1,000 requests",
        about: "In seconds, at that rate. Postgres shares its processor with the load: where this is near the time that a request may\ntake at that rate, Postgres limits, and not the shop.",
        of: |sample| sample.best.database,
        cell: |seconds| format!("{seconds:.3}"),
        has_ratio: false,
        has_bound: false,
    },
    Table {
        heading: "Memory at rest",
        about: "MiB (RSS), five seconds after the first answer, of all processes that a row measures.",
        of: |sample| sample.idle,
        cell: |bytes| format!("{:.0}", bytes / MIB),
        has_ratio: true,
        has_bound: false,
    },
    Table {
        heading: "Memory at most",
        about: "MiB (RSS), of the same processes, with all rates that were tried.",
        of: |sample| sample.peak,
        cell: |bytes| format!("{:.0}", bytes / MIB),
        has_ratio: true,
        has_bound: false,
    },
];

/// A row in one line, for whoever waits for it.
pub(super) fn line(row: &Row, subjects: &[Subject]) -> String {
    let mut text = row.workload.name.to_owned();
    for (subject, samples) in subjects.iter().zip(&row.samples) {
        let of = |of: fn(&Sample) -> f64| median(samples.iter().map(of));
        // Writing to a String cannot fail.
        write!(
            text,
            " | {} {:.0}/s, {:.1} / {:.1} ms, {:.3} + {:.3} s for 1,000, {:.0} / {:.0} MiB, first answer after {:.2} s",
            subject.name,
            of(|sample| sample.best.rate),
            of(|sample| sample.best.p50),
            of(|sample| sample.best.p99),
            of(|sample| sample.best.shop),
            of(|sample| sample.best.database),
            of(|sample| sample.idle) / MIB,
            of(|sample| sample.peak) / MIB,
            of(|sample| sample.start),
        )
        .ok();
    }
    text
}

/// The whole document.
pub(super) fn write(results: &Results<'_>, machine: &Machine) -> Result<String> {
    let mut text = "\
# Benchmarks of the shop

Written by `cargo xtask bench shop`: our services beside the same endpoints as users of Node and of Go write them
(`bench/peers`), in one run, on the same processor in turn, with the same Postgres and the databases that our migrations make.
Times differ from machine to machine; compare within one run. In parentheses, how many times ours it is.
"
    .to_owned();
    for table in &TABLES {
        compare(&mut text, table, results)?;
    }
    once(&mut text, results)?;
    orders(&mut text, results)?;
    how(&mut text, results, machine)?;
    Ok(text)
}

/// Begins a table with a column for each shop.
fn head(text: &mut String, subjects: &[Subject]) -> Result<()> {
    let names: Vec<_> = subjects.iter().map(|subject| subject.name).collect();
    Ok(writeln!(text, "| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()))?)
}

/// A line of it: numbers as they are written, and how many times the first they are.
fn cells(
    text: &mut String,
    title: &str,
    numbers: &[f64],
    cell: fn(f64) -> String,
    has_ratio: bool,
) -> Result<()> {
    let first = numbers.first().copied().unwrap_or_default();
    let cells = numbers.iter().enumerate().map(|(index, number)| match index {
        1.. if has_ratio => format!("{} ({:.2})", cell(*number), number / first),
        _ => cell(*number),
    });
    Ok(writeln!(text, "| {title} | {} |", cells.collect::<Vec<_>>().join(" | "))?)
}

fn compare(text: &mut String, table: &Table, results: &Results<'_>) -> Result<()> {
    write!(text, "\n## {}\n\n{}\n\n", table.heading, table.about)?;
    head(text, results.subjects)?;
    for row in results.rows {
        let Workload { title, bound, .. } = row.workload;
        let title = if table.has_bound { format!("{title}: {bound:.0} ms") } else { (*title).to_owned() };
        cells(text, &title, &row.medians(table.of), table.cell, table.has_ratio)?;
    }
    Ok(())
}

/// What there is once of each shop.
fn once(text: &mut String, results: &Results<'_>) -> Result<()> {
    write!(text, "\n## Start and size\n\n")?;
    head(text, results.subjects)?;
    for row in results.rows.iter().filter(|row| matches!(row.workload.kind, Kind::Hot | Kind::Order)) {
        let title = format!("until the first answer, for: {}", row.workload.title);
        let milliseconds = |seconds: f64| format!("{:.0} ms", seconds * 1_000.0);
        cells(text, &title, &row.medians(|sample| sample.start), milliseconds, true)?;
    }
    let sizes: Vec<_> = results.subjects.iter().map(|subject| subject.size).collect();
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / MIB);
    cells(text, "what has to be there, without the system's libraries", &sizes, mib, true)?;
    text.push_str(
        "\nFlotilla's are the programs of user-service, product-service and order-service as they are in the images, together. Node's is\n\
         Node itself and what `npm ci` installs.\n",
    );
    Ok(())
}

/// Orders, beside what Postgres does alone.
fn orders(text: &mut String, results: &Results<'_>) -> Result<()> {
    let Some(row) = results.rows.iter().find(|row| row.workload.kind == Kind::Order) else {
        return Ok(());
    };
    let bar = median(results.bar.iter().copied());
    write!(
        text,
        "\n## Orders, and what Postgres does alone\n\n\
         pgbench with the statements of our services for an order, in their order and in their transactions\n\
         (`xtask/src/bench/shop/*.pgbench.sql`), with 16 clients: {bar:.0} orders a second. It has the shops' processor, and Postgres has\n\
         the other one for itself, which it shares with load and payment provider when a shop is measured.\n\n"
    )?;
    for (subject, rate) in results.subjects.iter().zip(row.medians(|sample| sample.best.rate)) {
        writeln!(
            text,
            "- {}: {rate:.0} orders a second are {:.0} % of it",
            subject.name,
            100.0 * rate / bar
        )?;
    }
    Ok(())
}

/// How it was measured.
fn how(text: &mut String, results: &Results<'_>, machine: &Machine) -> Result<()> {
    let Machine { processors, memory_gib } = machine;
    let Method { rounds, seconds, warm_up, .. } = results.method;
    let samples = || results.rows.iter().flat_map(|row| row.samples.iter().flatten());
    let (all, disturbed) = (samples().count(), samples().filter(|sample| !sample.best.was_quiet).count());
    let requests: f64 = samples().map(|sample| sample.best.requests).sum();
    let made_with: Vec<_> = results.subjects.iter().map(|subject| subject.made_with.as_str()).collect();
    write!(
        text,
        "\n## How it was measured\n\n\
         - {made_with}. Postgres {postgres} as it is installed, with what is committed on the disk.\n\
         - A machine with {processors} processors ({processor}), {memory_gib} GiB of memory and Linux {kernel}. The shop has one processor; Postgres, the load\n  \
           and the payment provider share the other.\n\
         - {rounds} {word}. In each, all shops have their turn with each row, started anew on databases that are made anew; the median of\n  \
           the rounds counts. A rate is tried for {seconds} s, after {warm_up} s at half of the first rate; the search ends where what is borne and\n  \
           what is not, tried twice, are 5 % apart. Processor time is that of the highest rate that was borne.\n\
         - A rate during which something else had a tenth of the two processors was tried again; of the {all} measurements that count,\n  \
           {disturbed} were disturbed all the same. They are of {requests:.0} requests, all of which were answered as they should be.\n\
         - The load (`bench/load`) is an open loop over 64 connections: requests are sent at a constant rate whether answers come or not,\n  \
           and times count from when a request was to be sent. Its clock ticks in milliseconds.\n\
         - 10,000 products with 20,000 variants, 200 accounts (`xtask/src/bench/shop/*.sql`). Before anything is measured, the answers of\n  \
           all shops to reads are compared: they are the same but for cursors and the digits of times.\n\
         - An order's time is that from when it was to be sent until the transaction in which it is paid. Before rates are tried, all shops\n  \
           have left the same number of rows behind for each: versions, events in the outbox, attempts of payments, entries of the\n  \
           ledger, reservations and movements of stock; or the run fails.\n\
         - All write a line of JSON for each request into a log. Flotilla does besides what is on by default: metrics, traces of one\n  \
           request in a hundred, limits; events go on to the bus; and product-service and order-service are two processes with gRPC in\n  \
           between, both measured. The peers are one process each, leave events in the outbox, and do not go back from an order that\n  \
           fails. Webhooks come to all; Flotilla looks at each payment with the provider then, the peers do not.\n\
         - Flotilla asks Postgres in one statement for the products, sessions and accounts that several requests want at the same time,\n  \
           once two such statements are on their way; nothing is kept. The peers ask for each request alone.\n\
         - Flotilla searches with a function in the database, of which Postgres keeps a plan, and has pages come as an array of each\n  \
           column. The peers send the search as a statement, and have rows come.\n\
         - Passwords are hashed at the same cost by the argon2 crate, by @node-rs/argon2 (the argon2-rust crate) and by\n  \
           golang.org/x/crypto. Tokens are signed with Ed25519, and checking one looks up its session.\n\
         - Everything is in a network namespace of its own where that is possible, so that no rules of a firewall are counted.\n\
         - Again: `cargo xtask bench shop`. It needs Node, npm, Go and Postgres, and builds the rest.\n",
        word = if rounds == 1 { "round" } else { "rounds" },
        made_with = made_with.join("; "),
        postgres = results.postgres,
        processor = processor()?,
        kernel = kernel()?,
    )?;
    if rounds < 3 {
        text.push_str(
            "- With so few rounds one pause of the machine can end a search far below what is borne. Measure a row that stands out from\n  \
             its neighbours again before you go by it: `cargo xtask bench shop --only cold`.\n",
        );
    }
    for name in results.missing {
        writeln!(text, "- {name} could not be had where this ran, so it is not in the tables.")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::measure::Probe;
    use super::super::workload::ALL;
    use super::*;

    fn sample(rate: f64, shop: f64) -> Sample {
        let best = Probe {
            rate,
            requests: rate * 5.0,
            p50: 1.0,
            p99: 9.0,
            is_borne: true,
            shop,
            database: 0.5,
            was_quiet: true,
            wrong: None,
        };
        Sample { best, start: 0.1, idle: 20.0 * MIB, peak: 40.0 * MIB }
    }

    #[test]
    fn the_document_has_medians_and_how_many_times_ours_they_are() -> Result<()> {
        let subject = |name: &'static str| Subject { name, made_with: format!("{name} 1"), size: 30.0 * MIB };
        let subjects = [subject("Flotilla"), subject("Node")];
        let row = |workload| Row {
            workload,
            samples: vec![
                vec![sample(900.0, 0.1), sample(1_000.0, 0.2), sample(1_100.0, 0.2)],
                vec![sample(250.0, 0.8)],
            ],
        };
        let rows: Vec<_> = ALL.iter().map(row).collect();
        let method = Method { rounds: 3, seconds: 5, warm_up: 3, patience: 0, slack: 1.0 };
        let missing = ["Go".to_owned()];
        let results = Results {
            subjects: &subjects,
            missing: &missing,
            rows: &rows,
            bar: &[1_250.0],
            method,
            postgres: "15",
        };
        let text = write(&results, &Machine { processors: 2, memory_gib: 8 })?;
        for part in [
            "| a product of 10,000 | 5000 | 1250 (0.25) |",
            "| a product of 10,000: 25 ms | 1000 | 250 (0.25) |",
            "| a product of 10,000 | 20 | 20 (1.00) |",
            "| what has to be there, without the system's libraries | 30 MiB | 30 MiB (1.00) |",
            "- Flotilla: 1000 orders a second are 80 % of it",
            "of the 32 measurements that count",
            "- Go could not be had",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(
            line(&rows[0], &subjects).starts_with("hot | Flotilla 1000/s, 1.0 / 9.0 ms"),
            "{}",
            line(&rows[0], &subjects)
        );
        Ok(())
    }
}
