//! What services have promised each other: the data of each event, the gRPC interfaces and the subgraphs. It is in
//! `services/contracts.json`, to which more may come, but from which nothing goes: a version that runs beside this one, or an
//! event that is replayed, goes by it.

mod events;
mod protos;
mod subgraphs;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use self::events::Value;
use super::shown;
use crate::workspace_root;

/// Everything that is promised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Contracts {
    /// By type of event, then by where it is in the data.
    events: BTreeMap<String, BTreeMap<String, Value>>,
    /// By name: what a field, a value or a method is.
    protos: BTreeMap<String, String>,
    /// By service and name: what a field is, and what it takes.
    #[serde(default)]
    subgraphs: BTreeMap<String, String>,
}

impl Contracts {
    /// What the committed files say.
    fn of_files() -> Result<Self> {
        Ok(Self { events: events::all()?, protos: protos::all()?, subgraphs: subgraphs::all()? })
    }

    /// What was promised.
    fn promised() -> Result<Self> {
        match fs::read_to_string(path()) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("reading {}", shown(&path()))),
            Err(_) if !path().exists() => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("reading {}", shown(&path()))),
        }
    }

    /// What is promised here and does not hold there.
    fn broken_by(&self, now: &Self) -> Vec<String> {
        let mut broken = Vec::new();
        for (kind, promised) in &self.events {
            match now.events.get(kind) {
                Some(now) => broken.extend(events::broken(kind, promised, now)),
                None => broken.push(format!("{kind}: there is no such event any more")),
            }
        }
        for (name, promised) in &self.protos {
            match now.protos.get(name) {
                Some(now) if now == promised => {}
                Some(now) => broken.push(format!("{name}: it was {promised:?} and is {now:?}")),
                None => broken.push(format!("{name}: it is gone")),
            }
        }
        broken.extend(subgraphs::broken(&self.subgraphs, &now.subgraphs));
        broken
    }
}

fn path() -> PathBuf {
    workspace_root().join("services/contracts.json")
}

/// The file as it has to be, when nothing that was promised is broken.
pub(super) fn file() -> Result<(PathBuf, String)> {
    let now = Contracts::of_files()?;
    let broken = Contracts::promised()?.broken_by(&now);
    if !broken.is_empty() {
        bail!(
            "promises of {} are broken:\n  {}\nLeave what is there as it is, and make a new version beside it (an event .v2, \
             a package v2, another field); what nobody can have relied on yet is taken out of that file by hand",
            shown(&path()),
            broken.join("\n  ")
        );
    }
    Ok((path(), serde_json::to_string_pretty(&now)? + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_services_have_promised_each_other_holds() {
        let (path, wanted) = file().unwrap();
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == wanted, "{} lacks what is new; renew it with: cargo xtask gen", shown(&path));
    }

    #[test]
    fn what_is_gone_or_other_than_before_is_named_and_what_is_new_is_not() {
        let before = Contracts::of_files().unwrap();
        assert!(before.events.len() > 30 && before.protos.len() > 100 && before.subgraphs.len() > 100);
        assert_eq!(before.broken_by(&before), Vec::<String>::new());
        let mut after = before.clone();
        after.events.insert("shop.order.lost.v1".to_owned(), BTreeMap::new());
        after.protos.insert("shop.order.v1.Order.note".to_owned(), "99 string".to_owned());
        assert_eq!(before.broken_by(&after), Vec::<String>::new());
        assert_eq!(after.broken_by(&before).len(), 2);
        after.events.remove("shop.order.paid.v1");
        after.protos.remove("shop.order.v1.Orders.GetOrder");
        after.protos.insert("shop.order.v1.Order.id".to_owned(), "2 string".to_owned());
        after.subgraphs.remove("product-service Product.slug");
        let broken = before.broken_by(&after);
        assert_eq!(
            broken,
            [
                "shop.order.paid.v1: there is no such event any more",
                "shop.order.v1.Order.id: it was \"1 string\" and is \"2 string\"",
                "shop.order.v1.Orders.GetOrder: it is gone",
                "product-service Product.slug: it is gone",
            ]
        );
    }
}
