use super::*;
use crate::bot::link::model::{Change, Loss};
use crate::bot::link::profiles::{clean, find};

const WAIT: Duration = Duration::from_secs(10);

/// A server that echoes, a relay before it over a link with one way's `delay`, and a client.
async fn world(shared: bool, clients: usize) -> (Vec<UdpSocket>, SocketAddr, UdpSocket) {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let way = clean(Duration::from_millis(5));
    let profile = Profile { down: way.clone(), up: way, ..find("N1").unwrap() };
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = RelayConfig {
        listen: any,
        server: server.local_addr().unwrap(),
        profile,
        shared,
        seed: 1,
        tcp: None,
        control: Some(any),
    };
    let relay = Relay::bind(config).await.unwrap();
    let (address, control) = (relay.address().unwrap(), relay.control_address().unwrap());
    tokio::spawn(relay.run(None));
    let mut all = Vec::new();
    for _ in 0..clients {
        let client = UdpSocket::bind(any).await.unwrap();
        client.connect(address).await.unwrap();
        all.push(client);
    }
    (all, control, server)
}

async fn order(control: SocketAddr, line: &str) -> String {
    let socket = tokio::net::TcpStream::connect(control).await.unwrap();
    let (reading, mut writing) = socket.into_split();
    writing.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    BufReader::new(reading).lines().next_line().await.unwrap().unwrap()
}

async fn figures(control: SocketAddr) -> serde_json::Value {
    serde_json::from_str(&order(control, "figures").await).unwrap()
}

/// Receives, or fails the test.
async fn get(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 100];
    let (length, from) = tokio::time::timeout(WAIT, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
    (buffer[..length].to_vec(), from)
}

#[tokio::test]
async fn each_client_has_its_own_way_and_gets_its_own_answers() {
    let (clients, control, server) = world(false, 2).await;
    let mut seen = Vec::new();
    for (n, client) in clients.iter().enumerate() {
        client.send(&[n as u8; 30]).await.unwrap();
        let (datagram, from) = get(&server).await;
        assert_eq!(datagram, [n as u8; 30]);
        seen.push(from);
    }
    assert_ne!(seen[0], seen[1], "the server tells them apart");
    for n in [1, 0] {
        server.send_to(&[10 + n as u8; 20], seen[n]).await.unwrap();
        assert_eq!(get(&clients[n]).await.0, [10 + n as u8; 20]);
    }
    let figures = figures(control).await;
    assert_eq!(figures["clients"], 2);
    assert_eq!(figures["links"][0]["up"]["delivered"], 1);
    assert_eq!(figures["links"][1]["down"]["bytes"], 20 + crate::bot::link::model::HEADERS);
}

#[tokio::test]
async fn orders_change_a_running_relay_and_hold_for_who_comes_later() {
    let (clients, control, server) = world(true, 2).await;
    clients[0].send(b"first").await.unwrap();
    let (_, from) = get(&server).await;
    assert_eq!(order(control, "up loss 100").await, "ok");
    assert!(order(control, "faster please").await.starts_with("error:"));
    for client in &clients {
        client.send(b"lost").await.unwrap();
    }
    while figures(control).await["links"][0]["up"]["lost"] != 2 {
        tokio::task::yield_now().await;
    }
    // The other direction is open still.
    server.send_to(b"down", from).await.unwrap();
    assert_eq!(get(&clients[0]).await.0, b"down");
    assert_eq!(order(control, "up loss 0").await, "ok");
    clients[1].send(b"again").await.unwrap();
    assert_eq!(get(&server).await.0, b"again");
    let figures = figures(control).await;
    assert_eq!(figures["links"].as_array().unwrap().len(), 1, "one line for all");
}

#[test]
fn a_profile_changes_as_its_links_do() {
    let mut profile = find("N1").unwrap();
    profile.change(true, false, Change::Loss(Loss::Random(0.3)));
    assert_eq!((profile.down.loss, profile.up.loss), (Loss::Random(0.3), Loss::None));
    profile.change(false, true, Change::Rate(5_000));
    assert_eq!(profile.up.rate.map(|r| r.bits), Some(5_000));
}

#[tokio::test]
async fn a_firewall_drops_datagrams_until_it_is_told_otherwise() {
    let (clients, control, server) = world(false, 1).await;
    clients[0].send(b"before").await.unwrap();
    assert_eq!(get(&server).await.0, b"before");
    assert_eq!(order(control, "udp off").await, "ok");
    clients[0].send(b"lost").await.unwrap();
    // Until the relay has seen it, and the link has let it through.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(order(control, "udp on").await, "ok");
    clients[0].send(b"after").await.unwrap();
    assert_eq!(get(&server).await.0, b"after");
}
