//! PUB-1 to PUB-3: messages, and what is heard instead of those that were lost.

use std::time::Duration;

use bytes::Bytes;
use mppeep_cache_redis::{RedisAdapter, RedisOptions};
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::pubsub::{CHANNEL_MAX_BYTES, Event, PAYLOAD_MIN_LIMIT_BYTES, PubSub, Subscription};
use mppeep_testbed::{Fault, FaultProxy, Redis, RedisOptions as ServerOptions};

use crate::support::{back, eventually, is_unavailable, open, patient, poll_then_drop};

async fn publish(adapter: &RedisAdapter, channel: &str, text: &str) {
    let payload = Bytes::copy_from_slice(text.as_bytes());
    adapter.pubsub().publish(channel, payload).await.unwrap();
}

async fn subscribe(adapter: &RedisAdapter, channels: &[&str]) -> Box<dyn Subscription> {
    adapter.pubsub().subscribe(channels).await.unwrap()
}

async fn next(subscription: &mut Box<dyn Subscription>) -> Option<Event> {
    tokio::time::timeout(Duration::from_secs(30), subscription.next())
        .await
        .expect("nothing is heard")
}

fn message(channel: &str, text: &str) -> Option<Event> {
    Some(Event::Message {
        channel: channel.to_owned(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_in_order_and_none_from_before() {
    let server = Redis::shared().await;
    let options = patient();
    let (here, there) = (open(&server.url(), &options), open(&server.url(), &options));
    let elsewhere = open(&server.url(), &patient());
    publish(&there, "one", "before").await;
    let mut subscription = subscribe(&here, &["one", "two", "one"]).await;
    publish(&elsewhere, "one", "of another prefix").await;
    for number in 0..100 {
        publish(&there, "three", "of another channel").await;
        publish(
            &there,
            if number % 2 == 0 { "one" } else { "two" },
            &number.to_string(),
        )
        .await;
    }
    for number in 0..100 {
        let channel = if number % 2 == 0 { "one" } else { "two" };
        assert_eq!(
            next(&mut subscription).await,
            message(channel, &number.to_string())
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_arrive_byte_for_byte_up_to_the_limit() {
    let server = Redis::shared().await;
    let adapter = open(&server.url(), &patient());
    let limit = adapter.pubsub().payload_limit_bytes();
    assert!(limit >= PAYLOAD_MIN_LIMIT_BYTES);
    let mut subscription = subscribe(&adapter, &["bytes"]).await;
    let payloads = [
        Bytes::new(),
        Bytes::from_static(b"\0\xff\xfe\r\n"),
        Bytes::from_static(b"{\"a\":[]}"),
        Bytes::from(vec![7u8; limit]),
    ];
    for payload in &payloads {
        adapter.pubsub().publish("bytes", payload.clone()).await.unwrap();
    }
    for payload in payloads {
        let expected = Event::Message {
            channel: "bytes".to_owned(),
            payload,
        };
        assert!(next(&mut subscription).await == Some(expected));
    }
}

#[tokio::test]
async fn what_no_adapter_takes_is_invalid_before_anything_is_sent() {
    // No server is needed to say so.
    let adapter = open("redis://127.0.0.1:1", &patient());
    let pubsub = adapter.pubsub();
    let over = Bytes::from(vec![0u8; pubsub.payload_limit_bytes() + 1]);
    let long = "x".repeat(CHANNEL_MAX_BYTES + 1);
    for (channel, payload) in [
        ("ok", over),
        ("", Bytes::new()),
        ("a b", Bytes::new()),
        ("a*", Bytes::new()),
        ("é", Bytes::new()),
        (long.as_str(), Bytes::new()),
    ] {
        let error = pubsub.publish(channel, payload).await.unwrap_err();
        assert!(matches!(error, BackendError::Invalid { .. }), "{error:?}");
    }
    for channels in [&["ok", "not ok"][..], &[long.as_str()]] {
        let error = pubsub.subscribe(channels).await.err().unwrap();
        assert!(matches!(error, BackendError::Invalid { .. }), "{error:?}");
    }
    assert_eq!(adapter.health().counts.calls, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_subscription_is_made_anew_and_then_says_gap() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &patient());
    let mut subscription = subscribe(&adapter, &["c"]).await;
    for round in 0..3 {
        publish(&adapter, "c", "heard").await;
        assert_eq!(next(&mut subscription).await, message("c", "heard"));
        server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        assert_eq!(next(&mut subscription).await, Some(Event::Gap), "round {round}");
        // The gap was said when the subscription was active again: nothing from here on is lost.
        publish(&adapter, "c", "after").await;
        assert_eq!(next(&mut subscription).await, message("c", "after"));
    }
    assert_eq!(adapter.health().counts.resubscriptions, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_subscribed_to_again() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &patient());
    let mut subscription = subscribe(&adapter, &["c"]).await;
    server.kill().await;
    eventually("the loss is seen", async || is_unavailable(&adapter.ping().await)).await;
    let refused = adapter.pubsub().subscribe(&["c"]).await.map(|_| ());
    assert!(is_unavailable(&refused), "{refused:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.start_again().await;
    assert_eq!(next(&mut subscription).await, Some(Event::Gap));
    back(&adapter).await;
    publish(&adapter, "c", "after").await;
    assert_eq!(next(&mut subscription).await, message("c", "after"));
}

/// A line on which nothing moves any more is told from one on which there is nothing to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_line_is_given_up() {
    let server = Redis::shared().await;
    let proxy = FaultProxy::start(&server.address());
    let options = patient();
    let here = open(&server.url_through(&proxy.address()), &options);
    let there = open(&server.url(), &options);
    let mut subscription = subscribe(&here, &["c"]).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    publish(&there, "c", "after silence").await;
    assert_eq!(next(&mut subscription).await, message("c", "after silence"));
    assert_eq!(here.health().counts.resubscriptions, 0, "silence is no loss");
    let lines = proxy.accepted();
    proxy.set(Fault::BlackHole).await;
    publish(&there, "c", "into the hole").await;
    // Whoever gave the line up dials anew.
    eventually("the line is given up", async || proxy.accepted() > lines).await;
    proxy.set(Fault::Pass).await;
    assert_eq!(next(&mut subscription).await, Some(Event::Gap));
    publish(&there, "c", "after").await;
    assert_eq!(next(&mut subscription).await, message("c", "after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_messages_are_a_loss_and_not_a_lie() {
    let server = Redis::shared().await;
    let options = patient();
    let adapter = open(&server.url(), &options);
    let mut subscription = subscribe(&adapter, &["c"]).await;
    let channel = format!("{}channel:c", options.prefix);
    server.cli(&["PUBLISH", &channel, "short"]).await;
    assert_eq!(next(&mut subscription).await, Some(Event::Gap));
    server
        .cli(&["PUBLISH", &channel, "0123456789abcdef and a payload"])
        .await;
    assert_eq!(next(&mut subscription).await, Some(Event::Gap));
    publish(&adapter, "c", "true").await;
    assert_eq!(next(&mut subscription).await, message("c", "true"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_keep_up_hears_a_gap() {
    let server = Redis::shared().await;
    let options = RedisOptions {
        subscription_buffer: 8,
        ..patient()
    };
    let adapter = open(&server.url(), &options);
    let (mut slow, mut quick) = (
        subscribe(&adapter, &["c"]).await,
        subscribe(&adapter, &["c"]).await,
    );
    for number in 0..50 {
        publish(&adapter, "c", &number.to_string()).await;
        assert_eq!(next(&mut quick).await, message("c", &number.to_string()));
    }
    // The slow one has its own connection, which may be behind the quick one's.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(next(&mut slow).await, Some(Event::Gap));
    // What is kept are the last ones, whole.
    for number in 43..50 {
        assert_eq!(next(&mut slow).await, message("c", &number.to_string()));
    }
    publish(&adapter, "c", "after").await;
    assert_eq!(next(&mut slow).await, message("c", "after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_waits_lose_no_event_and_dropped_subscriptions_leave_no_connection() {
    let server = Redis::start(ServerOptions::default()).await;
    let adapter = open(&server.url(), &patient());
    let mut subscription = subscribe(&adapter, &["c"]).await;
    for number in 0..50 {
        assert!(poll_then_drop(1, subscription.next()).await.is_none());
        publish(&adapter, "c", &number.to_string()).await;
        assert_eq!(next(&mut subscription).await, message("c", &number.to_string()));
    }
    for polls in 0..=20 {
        drop(poll_then_drop(polls, adapter.pubsub().subscribe(&["c"])).await);
    }
    drop(subscription);
    eventually("all lines are closed", async || {
        server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).await.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_adapter_ends_its_subscriptions() {
    let server = Redis::shared().await;
    let adapter = open(&server.url(), &patient());
    let mut subscription = subscribe(&adapter, &["c"]).await;
    publish(&adapter, "c", "last").await;
    eventually("the message is there", async || {
        poll_then_drop(1, subscription.next()).await == Some(message("c", "last"))
    })
    .await;
    adapter.close();
    assert_eq!(next(&mut subscription).await, None);
    assert!(is_unavailable(
        &adapter.pubsub().subscribe(&["c"]).await.map(|_| ())
    ));
}
