//! What has been read of a partition and what of it is open. Kafka itself knows only one offset a partition; the rest goes with
//! it, as the text that a commit may have (`metadata`), so that what is finished does not come again because something before it
//! waits, and so that tries are counted over crashes.

use std::{collections::BTreeMap, fmt::Write};

/// Bytes that the text may have. Brokers take 4096 of them (`offset.metadata.max.bytes`).
const MOST: usize = 3_800;

/// How the text begins: another layout begins otherwise, and is not understood.
const LAYOUT: &str = "1";

/// Something that has been read and is not finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Open {
    /// Tries that have failed.
    failed: u32,
    /// Whether somebody has it.
    is_out: bool,
}

/// The state of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// What is next. Everything before it has been read by this owner or one before.
    position: i64,
    open: BTreeMap<i64, Open>,
    /// What an owner before left open and this one has not read yet, with its tries.
    left: BTreeMap<i64, u32>,
    is_retiring: bool,
}

impl Progress {
    /// Goes on from what is committed.
    pub(super) fn resume(offset: i64, text: Option<&str>) -> Self {
        let (position, left) = text.and_then(|text| parse(offset, text)).unwrap_or_default();
        Self { position: position.max(offset), left, ..Self::default() }
    }

    /// Something has been read, in order. Gives the tries before, or nothing if it is finished.
    pub(super) fn read(&mut self, offset: i64) -> Option<u32> {
        let tries = if offset >= self.position {
            self.position = offset.saturating_add(1);
            self.left.clear();
            0
        } else {
            // What is before it and was not read is there no more.
            let mut from_here = self.left.split_off(&offset);
            let tries = from_here.remove(&offset);
            self.left = from_here;
            tries?
        };
        self.open.insert(offset, Open { failed: tries, is_out: false });
        Some(tries)
    }

    /// Somebody is to have it. No, if others are to have the partition.
    pub(super) fn begin(&mut self, offset: i64) -> bool {
        match self.open.get_mut(&offset) {
            Some(open) if !self.is_retiring => {
                open.is_out = true;
                true
            }
            _ => false,
        }
    }

    /// Nobody has it any more, and it is not finished.
    pub(super) fn put_back(&mut self, offset: i64, has_failed: bool) {
        if let Some(open) = self.open.get_mut(&offset) {
            open.is_out = false;
            open.failed = open.failed.saturating_add(u32::from(has_failed));
        }
    }

    /// It is done with.
    pub(super) fn finish(&mut self, offset: i64) {
        self.open.remove(&offset);
    }

    /// Nothing begins any more.
    pub(super) fn retire(&mut self) {
        self.is_retiring = true;
    }

    /// Whether nobody has anything of it.
    pub(super) fn is_idle(&self) -> bool {
        !self.open.values().any(|open| open.is_out)
    }

    /// What to commit. Of what is open, a try is counted already: should this process end, it may have been at it.
    pub(super) fn charged(&self) -> (i64, String) {
        self.written(|open| open.failed.saturating_add(1))
    }

    /// What to commit when it is given up: only tries that there were.
    pub(super) fn clean(&self) -> (i64, String) {
        self.written(|open| open.failed.saturating_add(u32::from(open.is_out)))
    }

    fn written(&self, tries: impl Fn(&Open) -> u32) -> (i64, String) {
        let mut open = self.left.clone();
        open.extend(self.open.iter().map(|(offset, open)| (*offset, tries(open))));
        let first = open.first_key_value().map_or(self.position, |(offset, _)| *offset);
        (first, write(first, self.position, &open))
    }
}

/// `1;POSITION;SKIPPED+LENGTH*TRIES,...`, where the position and what is skipped are counted from where the part before ends.
fn write(first: i64, position: i64, open: &BTreeMap<i64, u32>) -> String {
    let mut runs: Vec<(i64, i64, u32)> = Vec::new();
    for (offset, tries) in open {
        match runs.last_mut() {
            Some((start, length, of)) if *start + *length == *offset && of == tries => *length += 1,
            _ => runs.push((*offset, 1, *tries)),
        }
    }
    let (mut text, mut end, mut position) = (String::new(), first, position);
    for (start, length, tries) in runs {
        let before = text.len();
        // Writing to a String cannot fail.
        write!(text, "{}+{length}*{tries},", start - end).ok();
        if text.len() > MOST {
            // From here on all is read again, also what is finished.
            text.truncate(before);
            position = start;
            break;
        }
        end = start + length;
    }
    format!("{LAYOUT};{};{}", position - first, text.trim_end_matches(','))
}

fn parse(first: i64, text: &str) -> Option<(i64, BTreeMap<i64, u32>)> {
    let mut parts = text.splitn(3, ';');
    if parts.next()? != LAYOUT {
        return None;
    }
    let position = first.checked_add(parts.next()?.parse().ok()?)?;
    let (mut open, mut end) = (BTreeMap::new(), first);
    for run in parts.next()?.split(',').filter(|run| !run.is_empty()) {
        let (skipped, rest) = run.split_once('+')?;
        let (length, tries) = rest.split_once('*')?;
        let start = end.checked_add(skipped.parse::<u32>().ok()?.into())?;
        // No number that somebody has written there makes this more than a commit can be about.
        end = start.checked_add(length.parse::<u16>().ok()?.into())?;
        let tries = tries.parse().ok()?;
        open.extend((start..end).map(|offset| (offset, tries)));
    }
    (end <= position).then_some((position, open))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_finished_behind_what_waits_does_not_come_again() {
        let mut progress = Progress::resume(10, None);
        for offset in 10..15 {
            assert_eq!(progress.read(offset), Some(0));
            assert!(progress.begin(offset));
        }
        for offset in [11, 12, 14] {
            progress.finish(offset);
        }
        progress.put_back(13, false);
        assert_eq!(progress.charged(), (10, "1;5;0+1*1,2+1*1".to_owned()));
        let (offset, text) = progress.clean();
        assert_eq!((offset, text.as_str()), (10, "1;5;0+1*1,2+1*0"));
        let mut next = Progress::resume(offset, Some(&text));
        let tries: Vec<_> = (10..16).map(|offset| next.read(offset)).collect();
        assert_eq!(tries, [Some(1), None, None, Some(0), None, Some(0)]);
    }

    #[test]
    fn a_process_that_ends_has_tried_what_it_had_read() {
        let mut progress = Progress::resume(0, None);
        for expected in 0..3 {
            assert_eq!(progress.read(0), Some(expected));
            let (offset, text) = progress.charged();
            progress = Progress::resume(offset, Some(&text));
        }
        assert_eq!(progress.read(0), Some(3));
        progress.finish(0);
        assert_eq!(progress.charged(), (1, "1;0;".to_owned()));
    }

    #[test]
    fn what_an_owner_before_left_open_stays_so_until_it_is_read_or_gone() {
        let mut progress = Progress::resume(5, Some("1;4;0+1*2,1+2*1"));
        assert_eq!(progress.charged(), (5, "1;4;0+1*2,1+2*1".to_owned()));
        // 5 has been there too long for the broker to keep it.
        assert_eq!(progress.read(7), Some(1));
        assert_eq!(progress.charged(), (7, "1;2;0+1*2,0+1*1".to_owned()));
    }

    #[test]
    fn what_retires_begins_with_nothing_and_waits_for_what_is_out() {
        let mut progress = Progress::resume(0, None);
        assert_eq!((progress.read(0), progress.read(1)), (Some(0), Some(0)));
        assert!(progress.begin(0));
        progress.retire();
        assert!(!progress.begin(1) && !progress.is_idle());
        progress.put_back(0, true);
        assert!(progress.is_idle());
        assert_eq!(progress.clean(), (0, "1;2;0+1*1,0+1*0".to_owned()));
    }

    #[test]
    fn a_text_that_is_none_of_this_is_left_out() {
        for text in ["", "2;1;", "1;x;", "1;1;0+1", "1;1;0+2*1", "1;1;0+99999999*1", "1;-1;", "1;1;-1+1*1"] {
            assert_eq!(Progress::resume(7, Some(text)), Progress::resume(7, None), "{text}");
        }
    }

    #[test]
    fn what_is_too_much_for_the_text_is_read_again() {
        let mut progress = Progress::resume(0, None);
        for offset in 0..10_000 {
            progress.read(offset);
            if offset % 2 == 1 {
                progress.finish(offset);
            }
        }
        let (offset, text) = progress.charged();
        assert!(text.len() <= MOST + 20, "{}", text.len());
        let mut next = Progress::resume(offset, Some(&text));
        assert_eq!((next.read(0), next.read(1), next.read(2)), (Some(1), None, Some(1)));
        assert_eq!((next.read(9_998), next.read(9_999)), (Some(0), Some(0)));
    }

    proptest! {
        #[test]
        fn whoever_takes_over_reads_all_that_is_open_and_nothing_that_is_finished(
            start in 0_i64..1_000,
            owners in prop::collection::vec(prop::collection::vec((0_u8..4, 0_i64..40), 0..60), 1..4),
        ) {
            let (mut offset, mut text) = (start, None::<String>);
            let (mut end, mut finished) = (start, BTreeSet::new());
            for steps in owners {
                let mut progress = Progress::resume(offset, text.as_deref());
                let mut open = BTreeSet::new();
                for at in offset..end {
                    let is_open = progress.read(at).is_some();
                    prop_assert_eq!(is_open, !finished.contains(&at), "{}", at);
                    if is_open {
                        open.insert(at);
                    }
                }
                for (step, which) in steps {
                    let chosen = open.iter().nth(usize::try_from(which).unwrap() % open.len().max(1)).copied();
                    match (step, chosen) {
                        (0, _) => {
                            prop_assert_eq!(progress.read(end), Some(0));
                            open.insert(end);
                            end += 1;
                        }
                        (1, Some(at)) => {
                            progress.begin(at);
                            progress.finish(at);
                            open.remove(&at);
                            finished.insert(at);
                        }
                        (2, Some(at)) => prop_assert!(progress.begin(at)),
                        (3, Some(at)) => progress.put_back(at, true),
                        _ => {}
                    }
                    let (first, _) = progress.charged();
                    prop_assert_eq!(first, open.first().copied().unwrap_or(end));
                }
                let (first, written) = progress.clean();
                (offset, text) = (first, Some(written));
            }
        }
    }
}
