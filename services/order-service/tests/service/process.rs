//! The program itself: it ends at a point of a saga as by `kill -9`, with a transaction open or not, and another one goes on.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use flotilla_paysim::ledger::Movement;
use tokio::time::{sleep, timeout};

use crate::{
    crashes::FORTH,
    shop::{PATIENCE, Shop, TOTAL},
};

fn start(shop: &Shop, failpoint: Option<&str>) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-service"));
    command.args(&shop.flags[1..]).stdout(Stdio::null()).stderr(Stdio::null());
    command.arg("--log=warn").arg("--leaving-seconds=0");
    command.args(failpoint.map(|point| format!("--failpoint={point}")));
    Running(command.spawn().unwrap())
}

struct Running(Child);

impl Running {
    async fn ended(&mut self, point: &str) {
        let ended = async {
            while self.0.try_wait().unwrap().is_none() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("{point} is never reached"));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.0.kill().is_ok();
        let _reaped = self.0.wait().is_ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_paid_once_wherever_the_process_ends() {
    let shop = Shop::without_orders().await;
    let customer = shop.customer();
    let committing = ["reserve", "create_intent", "authorize", "commit", "capture"]
        .map(|step| format!("{step}.committing"));
    let points = FORTH.iter().map(|point| (*point).to_owned()).chain(committing);
    let mut count = 0;
    for point in points {
        let mut first = start(&shop, Some(&point));
        shop.wait_until_it_serves().await;
        let placed = customer.place(&point, "pm_card_visa").await;
        assert_eq!(placed.status, 202, "{}", placed.text);
        first.ended(&point).await;
        let second = start(&shop, None);
        shop.wait_until_it_serves().await;
        let id = placed.json()["id"].as_str().unwrap().to_owned();
        shop.until(&id, "paid").await;
        assert_eq!(customer.place(&point, "pm_card_visa").await.text, placed.text, "{point}");
        drop(second);
        count += 1;
        assert_eq!(shop.moved(Movement::Capture), vec![TOTAL; count], "{point}");
    }
    // An order is paid before its saga is done.
    let _last = start(&shop, None);
    shop.audit().await;
}
