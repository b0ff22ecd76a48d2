//! What a subscriber has not heard yet, within bounds.

use std::collections::VecDeque;
use std::sync::Mutex;

use mppeep_core::ports::pubsub::Event;
use tokio::sync::Notify;

use crate::link::locked;

/// Events for one subscriber. When there is no room for one more, those that he has not heard become one [`Event::Gap`]:
/// what he hears after it is what is new.
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
            capacity: capacity.max(2),
            queue: Mutex::new(Queue {
                events: VecDeque::new(),
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    /// Adds an event, with a gap in place of all others when they are too many.
    pub(crate) fn push(&self, event: Event) {
        {
            let mut queue = locked(&self.queue);
            if queue.events.len() >= self.capacity {
                queue.events.clear();
                queue.gap();
            }
            queue.events.push_back(event);
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
    async fn too_many_events_become_one_gap_and_what_follows() {
        let buffer = Buffer::new(4);
        for number in 0..4 {
            buffer.push(message(number));
        }
        assert_eq!(buffer.next().await, Some(message(0)));
        for number in 4..12 {
            buffer.push(message(number));
        }
        assert_eq!(buffer.next().await, Some(Event::Gap));
        for number in 11..12 {
            assert_eq!(buffer.next().await, Some(message(number)));
        }
        buffer.push(message(12));
        assert_eq!(buffer.next().await, Some(message(12)));
        buffer.close();
        assert_eq!(buffer.next().await, None);
        assert_eq!(buffer.next().await, None);
    }

    #[tokio::test]
    async fn gaps_in_a_row_are_one() {
        let buffer = Buffer::new(4);
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
