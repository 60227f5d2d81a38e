//! A future that is polled only when it has asked for it, however often its task is. A connection has some that wait for what
//! comes once in minutes, while it is polled twice for each request.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// A future that is seldom polled.
#[derive(Debug)]
pub(super) struct Seldom<F> {
    future: F,
    asked: Option<Arc<Asked>>,
}

/// Whether the future has asked for its task, and which that is.
#[derive(Debug)]
struct Asked {
    is_asked: AtomicBool,
    task: Waker,
}

impl Wake for Asked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_asked.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<F> Seldom<F> {
    pub(super) fn new(future: F) -> Self {
        Self { future, asked: None }
    }
}

impl<F: Future + Unpin> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let asked = match &this.asked {
            Some(asked) if asked.task.will_wake(context.waker()) => {
                if !asked.is_asked.swap(false, Ordering::Acquire) {
                    return Poll::Pending;
                }
                asked
            }
            // The first time, or another task.
            _ => {
                let task = context.waker().clone();
                this.asked.insert(Arc::new(Asked { is_asked: AtomicBool::new(false), task }))
            }
        };
        let waker = Waker::from(Arc::clone(asked));
        Pin::new(&mut this.future).poll(&mut Context::from_waker(&waker))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, poll_fn},
        pin::pin,
        time::Duration,
    };

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test]
    async fn it_is_polled_when_it_asks_and_not_when_others_do() {
        let mut polls = 0;
        let mut inner = pin!(sleep(Duration::from_millis(50)));
        let counting = poll_fn(|context| {
            polls += 1;
            inner.as_mut().poll(context)
        });
        let mut seldom = Seldom::new(counting);
        let mut others = 0;
        poll_fn(|context| {
            if Pin::new(&mut seldom).poll(context).is_ready() {
                return Poll::Ready(());
            }
            others += 1;
            if others < 100 {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
        assert!(others >= 100 && polls == 2, "{others} {polls}");
    }

    #[tokio::test]
    async fn another_task_is_waited_for_too() {
        let mut seldom = Seldom::new(Box::pin(async {
            sleep(Duration::from_millis(20)).await;
            7
        }));
        let first =
            timeout(Duration::from_millis(1), poll_fn(|context| Pin::new(&mut seldom).poll(context))).await;
        assert!(first.is_err());
        assert_eq!(tokio::spawn(seldom).await.unwrap(), 7);
        let never = timeout(Duration::from_millis(1), Seldom::new(pending::<()>())).await;
        assert!(never.is_err());
    }
}
