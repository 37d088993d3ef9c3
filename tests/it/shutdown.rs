//! Stopping: every page is told, and everything ends in time.

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use zhuandi::session::message::Role;

use crate::harness::{PATIENCE, Server};

#[tokio::test]
async fn pages_are_told_and_the_server_ends() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let _idle = TcpStream::connect(server.app.http_addr).await.unwrap();
    let at = server.app.http_addr;
    let started = Instant::now();
    let (ended, last_of_lead, last_of_board) =
        tokio::join!(timeout(PATIENCE, server.app.shutdown()), lead.until_closed(), board.until_closed(),);
    assert!(ended.is_ok());
    let bye = json!({ "type": "bye", "reason": "shutdown" });
    assert_eq!((last_of_lead, last_of_board), (Some(bye.clone()), Some(bye)));
    assert_eq!(lead.closed, Some(1001));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    assert!(TcpStream::connect(at).await.is_err(), "nobody listens any more");
}
