//! What is counted of requests, as they happen.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

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

/// What is counted of one route and method, found without looking through all that is counted.
#[derive(Debug, Clone)]
struct OfRoute {
    duration: Histogram,
    /// By class of status, in the order of [`CLASSES`].
    answered: [OnceLock<Counter>; CLASSES.len()],
}

/// What is counted of the methods of one route.
type Methods = Vec<(&'static str, Arc<OfRoute>)>;

/// Classes of status; `gone` when there was no answer.
const CLASSES: [&str; 6] = ["gone", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts of requests. Their labels are templates of routes and a few words, so that nobody can make new ones.
#[derive(Debug)]
pub(super) struct Requests {
    answered: Family<Answered, Counter>,
    duration: Family<Route, Histogram, Durations>,
    /// By route, then method.
    known: RwLock<HashMap<String, Methods>>,
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
            known: RwLock::default(),
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

impl Requests {
    fn of_route(&self, method: &'static str, route: &str) -> Arc<OfRoute> {
        let find = |methods: &Methods| {
            let mut methods = methods.iter();
            let found = methods.find(|(other, _)| *other == method)?;
            Some(Arc::clone(&found.1))
        };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(route).and_then(find) {
            return found;
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let methods = known.entry(route.to_owned()).or_default();
        find(methods).unwrap_or_else(|| {
            let labels = Route {
                method,
                route: route.to_owned(),
            };
            let made = Arc::new(OfRoute {
                duration: self.duration.get_or_create(&labels).clone(),
                answered: Default::default(),
            });
            methods.push((method, Arc::clone(&made)));
            made
        })
    }

    fn counter(&self, request: &ObservedRequest<'_>, status: &'static str) -> Counter {
        let labels = Answered {
            method: request.method,
            route: request.route.to_owned(),
            status,
        };
        self.answered.get_or_create(&labels).clone()
    }
}

impl RequestObserver for Requests {
    fn began(&self) {
        self.in_flight.inc();
    }

    fn ended(&self, request: &ObservedRequest<'_>) {
        self.bytes.inc_by(request.bytes);
        if request.cut {
            self.cut.inc();
        }
        let of_route = self.of_route(request.method, request.route);
        if request.status.is_some() && !request.stream {
            of_route.duration.observe(request.duration.as_secs_f64());
        }
        let class = usize::from(request.status.map_or(0, |status| status / 100)).min(CLASSES.len() - 1);
        if let (Some(slot), Some(status)) = (of_route.answered.get(class), CLASSES.get(class)) {
            slot.get_or_init(|| self.counter(request, status)).inc();
        }
        // Last: whoever sees that nothing is in flight finds everything counted.
        self.in_flight.dec();
    }

    fn shed(&self) {
        self.shed.inc();
    }
}
