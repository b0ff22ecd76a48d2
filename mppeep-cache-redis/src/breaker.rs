//! Keeps calls away from a backend that does not answer, so that an outage costs a call microseconds, not a deadline.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub consecutive: u32,
    /// The time over which calls are counted.
    pub window: Duration,
    /// Calls within the window from which on a half of failures opens it.
    pub window_calls: u32,
    /// How long it stays open at first.
    pub pause: Duration,
    /// How long it stays open at most; each failed probe doubles the pause up to here.
    pub longest_pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            consecutive: 5,
            window: Duration::from_secs(10),
            window_calls: 20,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(2),
        }
    }
}

/// What a breaker does with calls now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused; after the pause one may probe.
    Open,
    /// One call probes; the others are refused.
    Probing,
}

/// How an admitted call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The backend answered.
    Success,
    /// It did not, or not in a way that can be trusted.
    Failure,
    /// The call ended without telling anything: it was dropped, say.
    Nothing,
}

/// Admission of one call. Its outcome counts only as long as the breaker has not changed its state since.
#[derive(Debug)]
pub(crate) struct Ticket(u64);

/// The state machine, over the time that its caller tells.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    phase: Phase,
    /// Counts the changes of state.
    round: u64,
    pause: Duration,
    window: Window,
}

#[derive(Debug)]
enum Phase {
    Closed { consecutive: u32 },
    Open { until: Instant },
    Probing,
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings, now: Instant) -> Self {
        Self {
            settings,
            phase: Phase::Closed { consecutive: 0 },
            round: 0,
            pause: settings.pause,
            window: Window::new(settings.window, now),
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::Probing => BreakerState::Probing,
        }
    }

    /// Admits a call, or tells when to ask again.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Ticket, Duration> {
        match self.phase {
            Phase::Closed { .. } => Ok(Ticket(self.round)),
            Phase::Open { until } if now < until => Err(until - now),
            Phase::Open { .. } => {
                self.enter(Phase::Probing);
                Ok(Ticket(self.round))
            }
            Phase::Probing => Err(Duration::ZERO),
        }
    }

    /// Learns how a call ended; whether that changed the state.
    pub(crate) fn settle(&mut self, ticket: &Ticket, outcome: Outcome, now: Instant) -> bool {
        if ticket.0 != self.round {
            return false;
        }
        match (&mut self.phase, outcome) {
            (Phase::Closed { consecutive }, Outcome::Success) => {
                *consecutive = 0;
                self.window.count(now, false);
                false
            }
            (Phase::Closed { consecutive }, Outcome::Failure) => {
                *consecutive += 1;
                let in_a_row = *consecutive >= self.settings.consecutive;
                self.window.count(now, true);
                let trips = in_a_row || self.window.half_failed(self.settings.window_calls);
                if trips {
                    self.pause = self.settings.pause;
                    self.open(now);
                }
                trips
            }
            (Phase::Probing, Outcome::Success) => {
                self.window.clear();
                self.enter(Phase::Closed { consecutive: 0 });
                true
            }
            (Phase::Probing, Outcome::Failure) => {
                self.pause = self.pause.saturating_mul(2).min(self.settings.longest_pause);
                self.open(now);
                true
            }
            (Phase::Probing, Outcome::Nothing) => {
                self.enter(Phase::Open { until: now });
                true
            }
            (Phase::Closed { .. } | Phase::Open { .. }, _) => false,
        }
    }

    fn open(&mut self, now: Instant) {
        self.enter(Phase::Open {
            until: now + self.pause,
        });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.round += 1;
    }
}

/// Calls and failures of the last while, in ten slots.
#[derive(Debug)]
struct Window {
    origin: Instant,
    slot: Duration,
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    number: u128,
    calls: u32,
    failures: u32,
}

const SLOTS: u32 = 10;

impl Window {
    fn new(length: Duration, now: Instant) -> Self {
        Self {
            origin: now,
            slot: (length / SLOTS).max(Duration::from_millis(1)),
            slots: VecDeque::new(),
        }
    }

    fn count(&mut self, now: Instant, failed: bool) {
        let number = now.saturating_duration_since(self.origin).as_nanos() / self.slot.as_nanos();
        while self
            .slots
            .front()
            .is_some_and(|slot| slot.number + u128::from(SLOTS) <= number)
        {
            self.slots.pop_front();
        }
        let failures = u32::from(failed);
        match self.slots.back_mut() {
            // Callers on several threads may tell their times a little out of order.
            Some(slot) if slot.number >= number => {
                slot.calls = slot.calls.saturating_add(1);
                slot.failures = slot.failures.saturating_add(failures);
            }
            _ => self.slots.push_back(Slot {
                number,
                calls: 1,
                failures,
            }),
        }
    }

    fn half_failed(&self, least_calls: u32) -> bool {
        let sum = |of: fn(&Slot) -> u32| self.slots.iter().map(|slot| u64::from(of(slot))).sum::<u64>();
        let (calls, failures) = (sum(|slot| slot.calls), sum(|slot| slot.failures));
        calls >= u64::from(least_calls) && failures * 2 >= calls
    }

    fn clear(&mut self) {
        self.slots.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn breaker() -> (Breaker, Instant) {
        let now = Instant::now();
        (Breaker::new(BreakerSettings::default(), now), now)
    }

    fn call(breaker: &mut Breaker, now: Instant, outcome: Outcome) {
        let ticket = breaker.admit(now).unwrap();
        breaker.settle(&ticket, outcome, now);
    }

    fn opened() -> (Breaker, Instant) {
        let (mut breaker, now) = breaker();
        for _ in 0..5 {
            call(&mut breaker, now, Outcome::Failure);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        (breaker, now)
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_four_do_not() {
        let (mut breaker, now) = breaker();
        for _ in 0..3 {
            for _ in 0..4 {
                call(&mut breaker, now, Outcome::Failure);
            }
            // Enough successes that the half is never reached.
            for _ in 0..10 {
                call(&mut breaker, now, Outcome::Success);
            }
            assert_eq!(breaker.state(), BreakerState::Closed);
        }
        for _ in 0..5 {
            call(&mut breaker, now, Outcome::Failure);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.admit(now).unwrap_err(), 500 * MS);
        assert_eq!(breaker.admit(now + 499 * MS).unwrap_err(), MS);
    }

    #[test]
    fn half_of_twenty_calls_open_it_even_between_successes() {
        let (mut breaker, now) = breaker();
        for _ in 0..9 {
            call(&mut breaker, now, Outcome::Success);
            call(&mut breaker, now, Outcome::Failure);
        }
        call(&mut breaker, now, Outcome::Success);
        assert_eq!(breaker.state(), BreakerState::Closed);
        call(&mut breaker, now, Outcome::Failure);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let (mut breaker, now) = breaker();
        for _ in 0..9 {
            call(&mut breaker, now, Outcome::Failure);
            call(&mut breaker, now, Outcome::Success);
        }
        let later = now + Duration::from_secs(10);
        call(&mut breaker, later, Outcome::Success);
        call(&mut breaker, later, Outcome::Failure);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn after_the_pause_one_call_probes_and_closes_it() {
        let (mut breaker, now) = opened();
        let later = now + 500 * MS;
        let probe = breaker.admit(later).unwrap();
        assert_eq!(breaker.state(), BreakerState::Probing);
        assert_eq!(breaker.admit(later).unwrap_err(), Duration::ZERO);
        breaker.settle(&probe, Outcome::Success, later);
        assert_eq!(breaker.state(), BreakerState::Closed);
        call(&mut breaker, later, Outcome::Failure);
        assert_eq!(
            breaker.state(),
            BreakerState::Closed,
            "the old failures are forgotten"
        );
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_the_longest() {
        let (mut breaker, mut now) = opened();
        for pause in [500, 1000, 2000, 2000, 2000] {
            assert_eq!(breaker.admit(now).unwrap_err(), pause * MS);
            now += pause * MS;
            call(&mut breaker, now, Outcome::Failure);
        }
        now += 2000 * MS;
        call(&mut breaker, now, Outcome::Success);
        for _ in 0..5 {
            call(&mut breaker, now, Outcome::Failure);
        }
        assert_eq!(
            breaker.admit(now).unwrap_err(),
            500 * MS,
            "a new outage begins with the short pause"
        );
    }

    #[test]
    fn a_dropped_probe_leaves_its_place_to_the_next_call() {
        let (mut breaker, now) = opened();
        let later = now + 500 * MS;
        let dropped = breaker.admit(later).unwrap();
        breaker.settle(&dropped, Outcome::Nothing, later);
        let probe = breaker.admit(later).unwrap();
        breaker.settle(&dropped, Outcome::Success, later);
        assert_eq!(
            breaker.state(),
            BreakerState::Probing,
            "a late answer decides nothing"
        );
        breaker.settle(&probe, Outcome::Success, later);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn calls_from_before_the_opening_do_not_lengthen_it() {
        let (mut breaker, now) = breaker();
        let tickets: Vec<Ticket> = (0..64).map(|_| breaker.admit(now).unwrap()).collect();
        for ticket in &tickets {
            breaker.settle(ticket, Outcome::Failure, now + 100 * MS);
        }
        assert_eq!(breaker.admit(now + 100 * MS).unwrap_err(), 500 * MS);
        breaker.settle(&tickets[0], Outcome::Success, now + 100 * MS);
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}
