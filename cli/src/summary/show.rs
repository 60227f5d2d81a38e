//! A service for people: in detail, in a list, or as a line of a watch.

use flotilla_crds::v1alpha1::{Problem, Severity, UseState};
use jiff::Timestamp;

use super::{State, Summary};
use crate::output::{Paint, table};

/// What a problem is about, as far as its message does not begin with it.
pub fn about(problem: &Problem) -> String {
    let object =
        problem.object.as_ref().map(|object| named(&object.kind, object.namespace.as_deref(), &object.name));
    let container = problem.container.as_ref().map(|name| format!("container {name}"));
    let field = problem.field.clone().filter(|field| !problem.message.starts_with(field));
    [object, container, field].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn named(kind: &str, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{kind}/{name} in {namespace}"),
        None => format!("{kind}/{name}"),
    }
}

/// A service in detail.
pub fn detail(summary: &Summary, now: Timestamp, paint: Paint) -> String {
    let ready = word(summary);
    let mut rows = vec![
        ("Ready", format!("{}  {}", painted(summary, &ready, paint), summary.message)),
        ("State", format!("{:?} ({})", summary.state, summary.reason)),
        ("Image", summary.image.clone()),
    ];
    rows.extend(summary.pods.clone().map(|pods| ("Pods", format!("{pods} ready"))));
    rows.extend(summary.url.clone().map(|url| ("URL", url)));
    rows.extend(summary.revision.clone().map(|revision| ("Revision", revision)));
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| vec![format!("  {name}"), value]).collect();
    let mut text = format!("{} in namespace {}\n", paint.strong(&summary.name), summary.namespace);
    text.push_str(&table(&rows, |_, _, cell| cell.to_owned()));
    text.push_str(&problems(summary, now, paint));
    text.push_str(&uses(summary, paint));
    if summary.conditions.is_empty() {
        return text;
    }
    let mut rows = vec![["  CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"].map(str::to_owned).to_vec()];
    rows.extend(summary.conditions.iter().map(|condition| {
        vec![
            format!("  {}", condition.type_),
            condition.status.clone(),
            age(condition.last_transition_time.0, now),
            condition.reason.clone(),
            condition.message.clone(),
        ]
    }));
    text.push('\n');
    text.push_str(&table(&rows, |row, _, cell| if row == 0 { paint.strong(cell) } else { cell.to_owned() }));
    text
}

fn problems(summary: &Summary, now: Timestamp, paint: Paint) -> String {
    if summary.problems.is_empty() {
        return String::new();
    }
    let mut rows = vec![["  PROBLEM", "SEVERITY", "SINCE", "ABOUT", "MESSAGE"].map(str::to_owned).to_vec()];
    rows.extend(summary.problems.iter().map(|problem| {
        vec![
            format!("  {}", problem.reason),
            format!("{:?}", problem.severity),
            age(problem.since.0, now),
            about(problem),
            problem.message.clone(),
        ]
    }));
    let severity = |row: usize| Some(summary.problems.get(row.checked_sub(1)?)?.severity);
    let table = table(&rows, |row, column, cell| match severity(row) {
        None => paint.strong(cell),
        Some(Severity::Error) if column == 1 => paint.bad(cell),
        Some(Severity::Warning) if column == 1 => paint.doubtful(cell),
        Some(_) => cell.to_owned(),
    });
    format!("\n{table}")
}

fn uses(summary: &Summary, paint: Paint) -> String {
    if summary.uses.is_empty() {
        return String::new();
    }
    let mut rows = vec![["  USES", "STATE", "FOR", "MESSAGE"].map(str::to_owned).to_vec()];
    rows.extend(summary.uses.iter().map(|used| {
        vec![
            format!("  {}", named(&used.kind, used.namespace.as_deref(), &used.name)),
            format!("{:?}", used.state),
            used.field.clone(),
            used.message.clone().or_else(|| used.url.clone()).unwrap_or_default(),
        ]
    }));
    let state = |row: usize| Some(summary.uses.get(row.checked_sub(1)?)?.state);
    let table = table(&rows, |row, column, cell| match state(row) {
        None => paint.strong(cell),
        Some(UseState::Ready) if column == 1 => paint.good(cell),
        Some(UseState::Missing | UseState::NotAllowed) if column == 1 => paint.bad(cell),
        Some(UseState::NotReady) if column == 1 => paint.doubtful(cell),
        Some(_) => cell.to_owned(),
    });
    format!("\n{table}")
}

/// Services, one a line.
pub fn list(summaries: &[Summary], with_namespace: bool, paint: Paint) -> String {
    let head = ["NAMESPACE", "NAME", "READY", "STATE", "PODS", "REASON", "MESSAGE"];
    let skip = usize::from(!with_namespace);
    let mut rows = vec![head.map(str::to_owned)[skip..].to_vec()];
    for summary in summaries {
        let cells = [
            summary.namespace.clone(),
            summary.name.clone(),
            word(summary),
            format!("{:?}", summary.state),
            summary.pods.clone().unwrap_or_else(|| "-".to_owned()),
            summary.reason.clone(),
            summary.message.clone(),
        ];
        rows.push(cells[skip..].to_vec());
    }
    table(&rows, |row, column, cell| match row.checked_sub(1).and_then(|row| summaries.get(row)) {
        None => paint.strong(cell),
        Some(summary) if column + skip == 2 => painted(summary, cell, paint),
        Some(_) => cell.to_owned(),
    })
}

/// A line for a watch.
pub fn line(summary: &Summary, paint: Paint) -> String {
    let pods = summary.pods.as_ref().map(|pods| format!(" {pods}")).unwrap_or_default();
    let ready = painted(summary, &word(summary), paint);
    format!(
        "{} ready={ready} {:?}{pods} {}: {}\n",
        summary.name, summary.state, summary.reason, summary.message
    )
}

fn word(summary: &Summary) -> String {
    match summary.ready {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    }
    .to_owned()
}

fn painted(summary: &Summary, text: &str, paint: Paint) -> String {
    match (summary.ready, summary.state) {
        (Some(true), State::Current) => paint.good(text),
        (Some(false), _) | (_, State::Failed) => paint.bad(text),
        _ => paint.doubtful(text),
    }
}

/// How long ago, as kubectl says it: in the largest unit that gives two figures.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::{broken, lacking, microservice, now};

    #[test]
    fn what_is_wrong_and_what_is_used_stand_before_the_conditions() {
        insta::assert_snapshot!(detail(&Summary::of(&lacking()), now(), Paint::default()));
    }

    #[test]
    fn a_service_in_detail() {
        insta::assert_snapshot!(detail(&Summary::of(&broken()), now(), Paint::default()));
    }

    #[test]
    fn services_one_a_line() {
        let ready = microservice("web", &[("Ready", "True", "Available", "2 of 2 pods are available")]);
        let mut unseen = ready.clone();
        unseen.metadata.generation = Some(3);
        let all = [Summary::of(&broken()), Summary::of(&ready), Summary::of(&unseen)];
        insta::assert_snapshot!(list(&all, true, Paint::default()));
        insta::assert_snapshot!(list(&all[..1], false, Paint::default()));
    }

    #[test]
    fn a_line_of_a_watch() {
        let text = line(&Summary::of(&broken()), Paint::default());
        insta::assert_snapshot!(text, @r#"orders ready=False InProgress 1/2 CrashLoop: container "orders" ended with exit code 1: no database"#);
    }

    #[test]
    fn ages_have_one_unit() {
        let ages = [5, 119, 120, 7199, 7200, 200_000]
            .map(|seconds| age(now() - jiff::SignedDuration::from_secs(seconds), now()));
        assert_eq!(ages, ["5s", "119s", "2m", "119m", "2h", "2d"]);
    }
}
