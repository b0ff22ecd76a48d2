//! What is counted of requests, as they happen.

use std::fmt::Debug;

use mppeep_http::{ObservedRequest, RequestObserver};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper ends of the buckets of durations, in seconds.
const BUCKETS: [f64; 11] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    /// The class of the status: `2xx`; `gone` when there was no answer.
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    policy: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

/// Counts of requests. Their labels are templates of routes and a few words, so that nobody can make new ones.
#[derive(Debug)]
pub(super) struct Requests {
    answered: Family<Answered, Counter>,
    duration: Family<Route, Histogram, Durations>,
    in_flight: Gauge,
    shed: Counter,
    cut: Counter,
    bytes: Counter,
    decisions: Family<Decided, Counter>,
}

impl Requests {
    /// Counts that `registry` tells of.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Self {
            answered: Family::default(),
            duration: Family::new_with_constructor(Durations),
            in_flight: Gauge::default(),
            shed: Counter::default(),
            cut: Counter::default(),
            bytes: Counter::default(),
            decisions: Family::default(),
        };
        registry.register(
            "http_requests",
            "Requests that have ended, by route and class of status",
            requests.answered.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from the head of a request to the end of its answer, but streams of events",
            Unit::Seconds,
            requests.duration.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests that are being answered, open streams included",
            requests.in_flight.clone(),
        );
        registry.register(
            "http_requests_shed",
            "Requests that were sent away for want of room",
            requests.shed.clone(),
        );
        registry.register(
            "http_responses_cut",
            "Answers that were not taken whole, or not waited for",
            requests.cut.clone(),
        );
        registry.register_with_unit(
            "http_response_size",
            "Bytes of the bodies of answers, as sent",
            Unit::Bytes,
            requests.bytes.clone(),
        );
        registry.register(
            "limiter_decisions",
            "Decisions of the general limits, by policy",
            requests.decisions.clone(),
        );
        requests
    }

    /// A general limit has decided.
    pub(super) fn decided(&self, policy: &'static str, outcome: &'static str) {
        self.decisions.get_or_create(&Decided { policy, outcome }).inc();
    }
}

impl RequestObserver for Requests {
    fn began(&self) {
        self.in_flight.inc();
    }

    fn ended(&self, request: &ObservedRequest<'_>) {
        self.in_flight.dec();
        self.bytes.inc_by(request.bytes);
        if request.cut {
            self.cut.inc();
        }
        let route = Route {
            method: request.method,
            route: request.route.to_owned(),
        };
        if request.status.is_some() && !request.stream {
            let seconds = request.duration.as_secs_f64();
            self.duration.get_or_create(&route).observe(seconds);
        }
        let answered = Answered {
            method: route.method,
            route: route.route,
            status: class(request.status),
        };
        self.answered.get_or_create(&answered).inc();
    }

    fn shed(&self) {
        self.shed.inc();
    }
}

fn class(status: Option<u16>) -> &'static str {
    match status.map(|status| status / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(_) => "5xx",
        None => "gone",
    }
}
