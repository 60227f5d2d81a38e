//! The faults by their names.

use std::{fmt, ops::Range, str::FromStr};

use flotilla_shop::name::Name;

use super::{MailFault, Misbehaviour, Race};
use crate::shop::{BusKind, Kind, link::Link};

/// What is done to a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// A process is killed (SIGKILL) at a random moment, and started again.
    Kill(Name),
    /// A process stands still (SIGSTOP, SIGCONT), often for longer than its leases last.
    Stop(Name),
    /// order-service ends before and after each commit and each request to others.
    Failpoints,
    /// All processes are ended and started again one after the other, as an update does it.
    Rolling,
    /// Two versions of order-service take turns, and run side by side.
    TwoVersions,
    /// Postgres ends at once (`pg_ctl stop -m immediate`), and is started again.
    Postgres,
    /// RabbitMQ is killed, and started again.
    BrokerKill,
    /// RabbitMQ is killed and loses all it had; what was published is published again.
    BrokerWipe,
    /// A link is slow, silent, loses answers or is cut.
    Link(Link),
    /// The payment provider misbehaves.
    Provider(Misbehaviour),
    /// The mail server misbehaves.
    Mail(MailFault),
    /// The customer is back from their bank and the provider's webhook says so: who of them is first.
    Race(Race),
    /// The clock of a process jumps forward or back, and some seconds later the other way.
    Clock,
    /// Any of them, one after the other.
    Everything,
}

/// There is no such fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fault; write all, or one of {names}", names = Fault::all().iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
pub struct NoFault(String);

/// Every program.
const PROGRAMS: [Name; 7] = [
    Name::UserService,
    Name::ProductService,
    Name::OrderService,
    Name::NotificationService,
    Name::Paysim,
    Name::Sink,
    Name::ApiGateway,
];

impl Fault {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::None, Self::Failpoints];
        all.extend(PROGRAMS.map(Self::Kill));
        all.extend(PROGRAMS.map(Self::Stop));
        all.extend([Self::Rolling, Self::TwoVersions, Self::Postgres]);
        all.extend(Link::ALL.map(Self::Link));
        all.extend(Misbehaviour::ALL.map(Self::Provider));
        all.extend(MailFault::ALL.map(Self::Mail));
        all.extend(Race::ALL.map(Self::Race));
        all.extend([Self::Everything, Self::Clock, Self::BrokerKill, Self::BrokerWipe]);
        all
    }

    /// The shop that it needs.
    pub fn shop(self) -> Kind {
        match self {
            Self::BrokerKill | Self::BrokerWipe => Kind { bus: BusKind::RabbitMq, ..Kind::PLAIN },
            Self::Clock => Kind { has_clocks: true, ..Kind::PLAIN },
            _ => Kind::PLAIN,
        }
    }

    /// Whether it can follow others within a second or so, and others it.
    pub(super) fn is_part_of_everything(self) -> bool {
        matches!(
            self,
            Self::Kill(_)
                | Self::Stop(_)
                | Self::Postgres
                | Self::Link(_)
                | Self::Provider(_)
                | Self::Mail(_)
        )
    }

    /// Whether a mail may have been sent without anybody knowing it: whoever sends it, keeps it or takes it was disturbed.
    pub fn disturbs_mail(self) -> bool {
        match self {
            Self::Kill(name) | Self::Stop(name) => matches!(name, Name::NotificationService | Name::Sink),
            Self::Link(link) => matches!(link, Link::Smtp | Link::NotificationsDatabase),
            Self::Rolling | Self::Postgres | Self::Mail(_) | Self::Everything => true,
            _ => false,
        }
    }

    /// Milliseconds between two times.
    pub(super) fn pauses(self) -> Range<u64> {
        match self {
            Self::Provider(_) | Self::Mail(_) => 200..400,
            Self::Clock => 200..1_000,
            Self::Postgres | Self::BrokerKill | Self::BrokerWipe => 3_000..5_000,
            _ => 1_000..2_500,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::None => "none".to_owned(),
            Self::Kill(name) => format!("kill-{name}"),
            Self::Stop(name) => format!("stop-{name}"),
            Self::Failpoints => "failpoints".to_owned(),
            Self::Rolling => "rolling-restart".to_owned(),
            Self::TwoVersions => "two-versions".to_owned(),
            Self::Postgres => "postgres-restart".to_owned(),
            Self::BrokerKill => "broker-kill".to_owned(),
            Self::BrokerWipe => "broker-wipe".to_owned(),
            Self::Link(link) => format!("link-{link}"),
            Self::Provider(what) => format!("psp-{what}"),
            Self::Mail(what) => format!("mail-{what}"),
            Self::Race(race) => format!("race-{race}"),
            Self::Clock => "clock-jumps".to_owned(),
            Self::Everything => "everything".to_owned(),
        };
        formatter.pad(&name)
    }
}

impl FromStr for Fault {
    type Err = NoFault;

    fn from_str(text: &str) -> Result<Self, NoFault> {
        Self::all().into_iter().find(|one| one.to_string() == text).ok_or_else(|| NoFault(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_fault_has_a_name_of_its_own() {
        let all = Fault::all();
        let names: BTreeSet<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), all.len());
        for fault in all {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        let error = "melt".parse::<Fault>().unwrap_err().to_string();
        assert!(error.contains("kill-order-service"), "{error}");
    }
}
