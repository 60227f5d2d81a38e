//! What every adapter has to do. `suite!` makes a test of each case for one of them.

mod case;
mod cases;
mod crash;
mod order;
mod restart;
mod secured;
mod share;

pub(crate) use self::{case::*, cases::*, crash::*, order::*, restart::*};
#[allow(unused_imports, reason = "not every broker has these")]
pub(crate) use self::{secured::*, share::*};

/// Tests of an adapter. The argument is an async function that gives the address of a bus that is there.
macro_rules! suite {
    ($url:path) => {
        suite!($url;
            each_consumer_gets_what_it_wants,
            a_consumer_wants_what_it_said_last,
            what_was_published_waits_for_its_consumer,
            what_failed_comes_again_after_its_delay,
            what_has_no_answer_has_failed,
            keys_stay_in_order_over_failures,
            keys_stay_in_order_over_several_workers,
            what_a_killed_process_had_comes_again,
            a_poison_goes_to_the_dead_letters_and_comes_back,
            what_is_buried_is_not_tried_again,
            dead_letters_can_be_chosen,
            what_is_published_twice_comes_once,
            what_is_published_again_on_purpose_comes_again,
            a_consumer_has_no_more_than_it_asked_for,
            what_nobody_began_with_goes_back,
            a_handler_runs_until_it_is_stopped,
            many_events_all_come_once,
            what_is_too_large_is_refused,
        );

        /// What a test kills.
        #[tokio::test]
        #[ignore = "a process that another test starts"]
        async fn consumer_process() {
            conformance::consumer_process().await;
        }
    };
    ($url:path; $($case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                conformance::$case(&conformance::Case::new($url().await, stringify!($case)).await).await;
            }
        )*
    };
}

/// The suite with a server of the testbed: one for all tests, and one that a test kills.
#[allow(unused_macros, reason = "Postgres has several databases")]
macro_rules! suite_on {
    ($server:ty) => {
        /// It goes with this process.
        fn server() -> &'static $server {
            static SERVER: std::sync::OnceLock<$server> = std::sync::OnceLock::new();
            SERVER.get_or_init(|| <$server>::start().unwrap())
        }

        async fn url() -> String {
            server().url()
        }

        suite!(url);

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn a_broker_that_is_killed_and_comes_back_has_lost_nothing() {
            let mut server = <$server>::start().unwrap();
            let case = conformance::Case::new(server.url(), "restart").await;
            conformance::a_broker_that_is_killed_and_comes_back_has_lost_nothing(&case, |is_up| {
                if is_up { server.start_again().unwrap() } else { server.kill().unwrap() }
            })
            .await;
        }
    };
}

/// With TLS, for a server of the testbed that can have it.
#[allow(unused_macros, reason = "of Kafka and RabbitMQ")]
macro_rules! secured {
    ($server:ty) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "a process that another test starts"]
        async fn secured_process() {
            conformance::secured_process().await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn with_tls_and_a_password_it_is_the_same_and_without_either_there_is_nothing() {
            let identity = conformance::identity();
            let server = <$server>::start_secured(&identity).unwrap();
            let url = server.secured_url().unwrap();
            conformance::with_tls_and_a_password_it_is_the_same_and_without_either_there_is_nothing(
                url, &identity,
            )
            .await;
        }
    };
}
