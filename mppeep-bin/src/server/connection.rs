//! One connection, from its socket to its last answer: TLS or not, HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use futures_util::future::Either;

use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use mppeep_http::{Readiness, Site, Transport};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::activity::{Activity, Answering, AnsweringBody, Content, Phase};
use super::socket::{Patience, PatientSocket};
use super::tls;

/// Bytes of a request's head; more gives 431, as do more than a hundred fields over HTTP/1.1 (hyper's own bound).
const MOST_HEAD_BYTES: usize = 32 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;

/// HTTP/2: requests at once on one connection, and what each may send before it is read.
const MOST_STREAMS: u32 = 100;
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client may open and reset before they are looked at, and mistakes that it may be told of: a client that
/// does more of it only wants to keep the server busy (CVE-2023-44487).
const MOST_RESETS: usize = 20;
const MOST_MISTAKES: usize = 128;
/// A peer that is silent for so long is asked whether it is there, and has so long to say yes.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_PATIENCE: Duration = Duration::from_secs(20);

/// What all connections of a listener share.
pub(super) struct Shared {
    pub(super) site: Site,
    pub(super) readiness: Arc<Readiness>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) patience: Patience,
    /// When the server ends: how long a connection that waits may still bring a request.
    pub(super) linger: Duration,
}

/// Serves one connection until it ends, has to give up its place, or the server ends.
pub(super) async fn serve(socket: TcpStream, peer: SocketAddr, activity: Arc<Activity>, shared: Arc<Shared>) {
    let socket = PatientSocket::new(socket, Arc::clone(&activity), shared.patience);
    match &shared.tls {
        None => {
            let transport = Transport::Plain;
            let service = service(&shared, &activity, peer, transport);
            let connection = http1(TokioIo::new(socket), service);
            tokio::select! {
                biased;
                () = drive(connection, &activity, shared.linger) => {}
                () = activity.ended() => {}
            }
        }
        // Its future is larger; connections without TLS do not pay for it.
        Some(acceptor) => {
            let secured = secured(acceptor.clone(), socket, peer, &activity, &shared);
            let secured: Pin<Box<dyn Future<Output = ()> + Send + '_>> = Box::pin(secured);
            tokio::select! {
                () = secured => {}
                () = activity.ended() => {}
            }
        }
    }
}

async fn secured(
    acceptor: TlsAcceptor,
    socket: PatientSocket,
    peer: SocketAddr,
    activity: &Arc<Activity>,
    shared: &Arc<Shared>,
) {
    // The state of a handshake is large, and is gone when the handshake is done.
    let handshake = Box::pin(acceptor.accept(socket));
    let stream = {
        let ends = async {
            activity.closing().await;
            tokio::time::sleep(shared.linger).await;
        };
        tokio::select! {
            stream = handshake => stream,
            () = ends => return,
        }
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a handshake failed");
            return;
        }
    };
    let service = service(shared, activity, peer, Transport::Tls);
    if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2) {
        activity.share();
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(u32::try_from(MOST_HEAD_BYTES).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(MOST_RESETS)
            .max_local_error_reset_streams(MOST_MISTAKES)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            () = drive(connection, activity, shared.linger) => {}
            () = stuck(activity, shared.patience.write) => {
                tracing::debug!("a reader that takes nothing is given up");
            }
        }
    } else {
        drive(http1(TokioIo::new(stream), service), activity, shared.linger).await;
    }
}

fn http1<I, S>(io: I, service: S) -> http1::Connection<I, S>
where
    I: Read + Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = AnsweringBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .max_header_size(MOST_HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(io, service)
}

/// Lets a connection live until it ends. When the server ends, a connection that waits may bring one more request for a
/// while, so that none is lost on its way; each answer then says that it is the last.
///
/// The connection is looked at before the clock each time: a request that came in time is answered, however late the
/// server gets to look.
async fn drive<C>(connection: C, activity: &Activity, linger: Duration)
where
    C: GracefulConnection,
    C::Error: Display,
{
    let mut connection = pin!(connection);
    let told = |result: Result<(), C::Error>| {
        if let Err(error) = result {
            tracing::debug!(%error, "a connection ended early");
        }
    };
    tokio::select! {
        biased;
        result = connection.as_mut() => return told(result),
        () = activity.closing() => {}
    }
    let shared = activity.is_shared();
    if !shared {
        // HTTP/2 has a message for this; over HTTP/1.1 only an answer can say it.
        tokio::select! {
            biased;
            result = connection.as_mut() => return told(result),
            () = tokio::time::sleep(linger) => {}
        }
    }
    connection.as_mut().graceful_shutdown();
    loop {
        tokio::select! {
            biased;
            result = connection.as_mut() => return told(result),
            () = tokio::time::sleep(linger) => {}
        }
        if shared && activity.phase() != Phase::Busy {
            // It has been told, and says nothing: nobody is there.
            return;
        }
    }
}

/// Ends when answers have been waiting for too long for somebody to read them.
async fn stuck(activity: &Activity, patience: Duration) {
    while !activity.is_stuck(patience) {
        tokio::time::sleep(patience / 3).await;
    }
}

/// What a request waits for; an answer at hand is not boxed.
type Answer = Either<
    Ready<Result<Response<AnsweringBody>, Infallible>>,
    Pin<Box<dyn Future<Output = Result<Response<AnsweringBody>, Infallible>> + Send>>,
>;

fn service(
    shared: &Arc<Shared>,
    activity: &Arc<Activity>,
    peer: SocketAddr,
    transport: Transport,
) -> impl hyper::service::HttpService<Incoming, ResBody = AnsweringBody, Error = Infallible, Future = Answer> + use<>
{
    let (shared, activity) = (Arc::clone(shared), Arc::clone(activity));
    service_fn(move |request| -> Answer {
        let answering = Answering::new(Arc::clone(&activity));
        match shared.site.answer_at_once(&request, peer, transport) {
            Some(response) => {
                let response = response.map(Content::Whole);
                let answer = last_if_draining(&shared, request.version(), response, answering);
                Either::Left(ready(Ok(answer)))
            }
            None => Either::Right(Box::pin(answer(
                Arc::clone(&shared),
                answering,
                peer,
                transport,
                request,
            ))),
        }
    })
}

async fn answer(
    shared: Arc<Shared>,
    answering: Answering,
    peer: SocketAddr,
    transport: Transport,
    request: Request<Incoming>,
) -> Result<Response<AnsweringBody>, Infallible> {
    let version = request.version();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(transport);
    let response = shared.site.clone().oneshot(request).await?;
    Ok(last_if_draining(
        &shared,
        version,
        response.map(Content::Pieces),
        answering,
    ))
}

/// The answer as the connection sends it; over HTTP/1.1 it says that it is the last one when the server is about to end.
fn last_if_draining(
    shared: &Shared,
    version: Version,
    mut response: Response<Content>,
    answering: Answering,
) -> Response<AnsweringBody> {
    let alone = version < Version::HTTP_2;
    if alone && shared.readiness.is_draining() {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|content| AnsweringBody::new(content, !alone, answering))
}
