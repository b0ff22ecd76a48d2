//! Checks of messages to whoever listens now (PUB-1 to PUB-3 and COM-2, 7, 13).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mppeep_core::ports::error::BackendError;
use mppeep_core::ports::pubsub::{CHANNEL_MAX_BYTES, Event, PAYLOAD_MIN_LIMIT_BYTES, PubSub, Subscription};

use crate::harness::PubSubHarness;
use crate::support::{in_time, poll_then_drop};

fn text(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

async fn publish(pubsub: &Arc<dyn PubSub>, channel: &str, payload: impl Into<String>) {
    in_time(pubsub.publish(channel, text(payload))).await.unwrap();
}

async fn subscribe(pubsub: &Arc<dyn PubSub>, channels: &[&str]) -> Box<dyn Subscription> {
    in_time(pubsub.subscribe(channels)).await.unwrap()
}

/// The next message; a gap where nothing was lost is a failure of the adapter.
async fn hear(subscription: &mut Box<dyn Subscription>) -> (String, String) {
    match in_time(subscription.next()).await {
        Some(Event::Message { channel, payload }) => (channel, String::from_utf8(payload.to_vec()).unwrap()),
        other => panic!("no message: {other:?}"),
    }
}

fn message(channel: &str, payload: &str) -> (String, String) {
    (channel.to_owned(), payload.to_owned())
}

/// PUB-1, COM-13: what is published after subscribing arrives, on every instance, in the order of each publisher, also
/// across the channels of a subscription.
pub async fn messages_arrive_in_the_order_of_each_publisher(harness: &dyn PubSubHarness) {
    const EACH: usize = 100;
    let instances = [harness.pubsub_at(0).await, harness.pubsub_at(1).await];
    let mut listeners = Vec::new();
    for pubsub in &instances {
        listeners.push(subscribe(pubsub, &["one", "two"]).await);
    }
    let publishers: Vec<_> = (0..4usize)
        .map(|publisher| {
            let pubsub = instances[publisher % 2].clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    publish(
                        &pubsub,
                        ["one", "two"][number % 2],
                        format!("{publisher} {number}"),
                    )
                    .await;
                }
            })
        })
        .collect();
    for listener in &mut listeners {
        let mut next = [0; 4];
        while next.iter().sum::<usize>() < 4 * EACH {
            let (channel, payload) = hear(listener).await;
            let (publisher, number) = payload.split_once(' ').unwrap();
            let (publisher, number): (usize, usize) = (publisher.parse().unwrap(), number.parse().unwrap());
            assert_eq!(number, next[publisher], "of publisher {publisher}");
            assert_eq!(channel, ["one", "two"][number % 2]);
            next[publisher] += 1;
        }
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

/// PUB-1: a subscriber hears nothing that was published before he subscribed, even on an instance that listened already,
/// and nothing of an earlier subscription.
pub async fn nothing_from_before_is_heard(harness: &dyn PubSubHarness) {
    let (here, elsewhere) = (harness.pubsub_at(0).await, harness.pubsub_at(1).await);
    publish(&here, "news", "before anybody listened").await;
    let mut first = subscribe(&here, &["news"]).await;
    publish(&elsewhere, "news", "first").await;
    assert_eq!(hear(&mut first).await, message("news", "first"));
    for round in 0..10 {
        for number in 0..5 {
            publish(&elsewhere, "news", format!("{round} {number}")).await;
        }
        let mut later = subscribe(&here, &["news"]).await;
        publish(&elsewhere, "news", format!("now {round}")).await;
        assert_eq!(hear(&mut later).await, message("news", &format!("now {round}")));
        drop(later);
    }
    for round in 0..10 {
        for number in 0..5 {
            assert_eq!(
                hear(&mut first).await,
                message("news", &format!("{round} {number}"))
            );
        }
        assert_eq!(hear(&mut first).await, message("news", &format!("now {round}")));
    }
}

/// A subscriber hears his channels only, each message once, whatever other channels are called.
pub async fn a_channel_hears_its_own_messages_only(harness: &dyn PubSubHarness) {
    let (here, elsewhere) = (harness.pubsub_at(0).await, harness.pubsub_at(1).await);
    let longest = "c".repeat(CHANNEL_MAX_BYTES);
    let shorter = "c".repeat(CHANNEL_MAX_BYTES - 1);
    let channels = [
        "a",
        "A",
        "a-b",
        "a_b",
        "ab",
        "b",
        "0",
        longest.as_str(),
        shorter.as_str(),
    ];
    let mut alone = Vec::new();
    for channel in channels {
        alone.push(subscribe(&here, &[channel]).await);
    }
    let mut all = subscribe(&elsewhere, &channels).await;
    let mut twice = subscribe(&here, &["a", "b", "a"]).await;
    let mut none = subscribe(&here, &[]).await;
    for channel in channels {
        publish(&elsewhere, channel, format!("to {channel}")).await;
    }
    for channel in channels {
        publish(&elsewhere, channel, "end").await;
    }
    for (listener, channel) in alone.iter_mut().zip(channels) {
        assert_eq!(hear(listener).await, message(channel, &format!("to {channel}")));
        assert_eq!(hear(listener).await, message(channel, "end"));
    }
    for channel in channels {
        assert_eq!(hear(&mut all).await, message(channel, &format!("to {channel}")));
    }
    for (channel, payload) in [("a", "to a"), ("b", "to b"), ("a", "end"), ("b", "end")] {
        assert_eq!(hear(&mut twice).await, message(channel, payload));
    }
    let heard = tokio::time::timeout(Duration::from_millis(50), none.next()).await;
    assert!(heard.is_err(), "{heard:?}");
}

/// COM-2: payloads come back byte for byte, up to the size that every adapter takes.
pub async fn payloads_come_back_byte_for_byte(harness: &dyn PubSubHarness) {
    let (here, elsewhere) = (harness.pubsub_at(0).await, harness.pubsub_at(1).await);
    assert!(harness.payload_limit_bytes() >= PAYLOAD_MIN_LIMIT_BYTES);
    let mut listener = subscribe(&here, &["bytes"]).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let payloads = [
        Bytes::new(),
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"a\0b\xff\xfe\n'\"\\"),
        Bytes::from(every_byte.repeat(PAYLOAD_MIN_LIMIT_BYTES / 256)),
        Bytes::from(vec![0xff; harness.payload_limit_bytes()]),
        text("{\"a\":[],\"b\":9007199254740993}"),
        text("é — 𝒂"),
    ];
    for payload in &payloads {
        in_time(elsewhere.publish("bytes", payload.clone()))
            .await
            .unwrap();
    }
    for payload in payloads {
        let heard = in_time(listener.next()).await;
        let expected = Event::Message {
            channel: "bytes".to_owned(),
            payload: payload.clone(),
        };
        assert!(heard == Some(expected), "a payload of {} bytes", payload.len());
    }
}

/// PUB-3: a name that is no name of a channel and a payload over the limit are refused before anything is sent.
pub async fn wrong_names_and_payloads_are_refused(harness: &dyn PubSubHarness) {
    let pubsub = harness.pubsub_at(0).await;
    let mut listener = subscribe(&pubsub, &["a"]).await;
    let too_long = "a".repeat(CHANNEL_MAX_BYTES + 1);
    for name in [
        "",
        " ",
        "a b",
        "a:b",
        "a.b",
        "a*",
        "é",
        "a\0",
        "a\n",
        "\"a\"",
        "[a]",
        too_long.as_str(),
    ] {
        let refused = in_time(pubsub.publish(name, text("x"))).await;
        assert!(
            matches!(refused, Err(BackendError::Invalid { .. })),
            "{name:?}: {refused:?}"
        );
        let refused = in_time(pubsub.subscribe(&["a", name])).await.err();
        assert!(
            matches!(refused, Some(BackendError::Invalid { .. })),
            "{name:?}: {refused:?}"
        );
    }
    let too_great = Bytes::from(vec![b'x'; harness.payload_limit_bytes() + 1]);
    let refused = in_time(pubsub.publish("a", too_great)).await;
    assert!(
        matches!(refused, Err(BackendError::Invalid { .. })),
        "{refused:?}"
    );
    publish(&pubsub, "a", "the first").await;
    assert_eq!(hear(&mut listener).await, message("a", "the first"));
}

/// PUB-3: a subscriber who does not read is not kept messages without end: he hears a gap in place of what he missed, and
/// after it what is published from then on. Others on the same instance are not held up.
pub async fn a_slow_subscriber_hears_a_gap(harness: &dyn PubSubHarness) {
    let (here, elsewhere) = (harness.pubsub_at(0).await, harness.pubsub_at(1).await);
    let mut slow = subscribe(&here, &["a"]).await;
    let mut quick = subscribe(&here, &["a"]).await;
    let many = 3 * harness.backlog() + 10;
    let reader = tokio::spawn(async move {
        // Who reads may be overrun as well on a busy machine; the end is repeated until he hears it.
        while let Some(event) = in_time(quick.next()).await {
            if matches!(&event, Event::Message { payload, .. } if payload.as_ref() == b"end") {
                return;
            }
        }
        panic!("the subscription ended");
    });
    for number in 0..many {
        publish(&elsewhere, "a", number.to_string()).await;
    }
    while !reader.is_finished() {
        publish(&elsewhere, "a", "end").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    reader.await.unwrap();
    // The slow one may have a link of his own, which is behind: what comes while he reads was not kept.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut before, mut gaps, mut last) = (0, 0, None);
    publish(&elsewhere, "a", "now").await;
    loop {
        match in_time(slow.next()).await.unwrap() {
            Event::Gap => gaps += 1,
            Event::Message { payload, .. } if payload.as_ref() == b"now" => break,
            Event::Message { payload, .. } => {
                before += 1;
                let number: Option<usize> = String::from_utf8(payload.to_vec()).unwrap().parse().ok();
                assert!(number.is_none() || number > last, "{number:?} after {last:?}");
                last = number.or(last);
            }
        }
    }
    assert!(gaps > 0, "messages were lost without a word");
    assert!(before <= harness.backlog(), "{before} messages were kept");
    publish(&elsewhere, "a", "after").await;
    assert_eq!(hear(&mut slow).await, message("a", "after"));
}

/// COM-7: a wait for the next event that was dropped, at any await, takes no event with it.
pub async fn a_dropped_wait_loses_nothing(harness: &dyn PubSubHarness) {
    let (here, elsewhere) = (harness.pubsub_at(0).await, harness.pubsub_at(1).await);
    let mut listener = subscribe(&here, &["a"]).await;
    for round in 0..100usize {
        let before = tokio::time::timeout(
            Duration::from_micros(50),
            poll_then_drop(round % 3, listener.next()),
        )
        .await;
        assert!(!matches!(before, Ok(Some(_))), "{before:?}");
        for number in 0..3 {
            publish(&elsewhere, "a", format!("{round} {number}")).await;
        }
        let early = tokio::time::timeout(
            Duration::from_micros(50),
            poll_then_drop(round % 5, listener.next()),
        )
        .await;
        let early = early.ok().flatten().map(|event| {
            let Some(Event::Message { payload, .. }) = event else {
                panic!("no message: {event:?}");
            };
            payload
        });
        let first = usize::from(early.is_some());
        assert!(early.is_none_or(|payload| payload == text(format!("{round} 0"))));
        for number in first..3 {
            assert_eq!(
                hear(&mut listener).await,
                message("a", &format!("{round} {number}"))
            );
        }
    }
}

/// PUB-2: when the link was lost and found again, a subscriber hears a gap, and everything that is published after it.
/// An adapter without a link loses nothing, and says nothing.
pub async fn after_a_gap_nothing_is_missed(harness: &dyn PubSubHarness) {
    let (here, elsewhere) = (harness.pubsub_at(0).await, harness.pubsub_at(1).await);
    let mut listener = subscribe(&here, &["a"]).await;
    publish(&elsewhere, "a", "before").await;
    assert_eq!(hear(&mut listener).await, message("a", "before"));
    for round in 0..3 {
        if harness.cut(0).await {
            // What was published before the cut may still come; then the gap must.
            while let Some(event) = in_time(listener.next()).await {
                if event == Event::Gap {
                    break;
                }
            }
        }
        for number in 0..5 {
            publish(&elsewhere, "a", format!("{round} {number}")).await;
        }
        let (mut next, mut repeated) = (0, false);
        while next < 5 {
            match in_time(listener.next()).await.unwrap() {
                // A link that breaks twice is two gaps; what was published before the last is said again.
                Event::Gap => {
                    (next, repeated) = (0, true);
                    for number in 0..5 {
                        publish(&elsewhere, "a", format!("{round} {number}")).await;
                    }
                }
                Event::Message { payload, .. } if payload == text(format!("{round} {next}")) => next += 1,
                // Only what was published twice may come twice.
                Event::Message { payload, .. } => assert!(repeated, "{payload:?} instead of {round} {next}"),
            }
        }
    }
}
