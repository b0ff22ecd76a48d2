//! What a subscriber has not heard yet, within bounds.

use std::collections::VecDeque;
use std::sync::Mutex;

use mppeep_core::ports::pubsub::Event;
use tokio::sync::Notify;

use crate::link::locked;

/// Events for one subscriber. Those for which there is no room become one [`Event::Gap`].
pub(crate) struct Buffer {
    capacity: usize,
    queue: Mutex<Queue>,
    changed: Notify,
}

struct Queue {
    events: VecDeque<Event>,
    closed: bool,
}

impl Buffer {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            queue: Mutex::new(Queue {
                events: VecDeque::new(),
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    /// Adds an event, or a gap instead of it.
    pub(crate) fn push(&self, event: Event) {
        {
            let mut queue = locked(&self.queue);
            if queue.events.len() < self.capacity {
                queue.events.push_back(event);
            } else {
                queue.gap();
            }
        }
        self.changed.notify_one();
    }

    /// Adds a gap.
    pub(crate) fn gap(&self) {
        locked(&self.queue).gap();
        self.changed.notify_one();
    }

    /// Nothing follows any more.
    pub(crate) fn close(&self) {
        locked(&self.queue).closed = true;
        self.changed.notify_one();
    }

    /// The next event; none after the last one of a closed buffer.
    pub(crate) async fn next(&self) -> Option<Event> {
        loop {
            {
                let mut queue = locked(&self.queue);
                if let Some(event) = queue.events.pop_front() {
                    return Some(event);
                }
                if queue.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

impl Queue {
    /// Two gaps in a row tell no more than one.
    fn gap(&mut self) {
        if self.events.back() != Some(&Event::Gap) {
            self.events.push_back(Event::Gap);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(number: u8) -> Event {
        Event::Message {
            channel: "c".to_owned(),
            payload: Bytes::from(vec![number]),
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_becomes_one_gap_after_what_did() {
        let buffer = Buffer::new(3);
        for number in 0..10 {
            buffer.push(message(number));
        }
        for number in 0..3 {
            assert_eq!(buffer.next().await, Some(message(number)));
        }
        buffer.push(message(10));
        assert_eq!(buffer.next().await, Some(Event::Gap));
        assert_eq!(buffer.next().await, Some(message(10)));
        buffer.close();
        assert_eq!(buffer.next().await, None);
        assert_eq!(buffer.next().await, None);
    }

    #[tokio::test]
    async fn gaps_in_a_row_are_one() {
        let buffer = Buffer::new(2);
        buffer.gap();
        buffer.gap();
        buffer.push(message(1));
        buffer.gap();
        buffer.close();
        let mut heard = Vec::new();
        while let Some(event) = buffer.next().await {
            heard.push(event);
        }
        assert_eq!(heard, [Event::Gap, message(1), Event::Gap]);
    }

    #[tokio::test]
    async fn a_dropped_wait_loses_no_event() {
        let buffer = Buffer::new(2);
        {
            let mut waiting = std::pin::pin!(buffer.next());
            let first = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx))).await;
            assert!(first.is_pending());
            buffer.push(message(1));
        }
        assert_eq!(buffer.next().await, Some(message(1)));
    }
}
