//! HTTP/2 by hand (RFC 9113), for what no client would send.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::tls::HOST;

/// Types of frames.
pub mod kind {
    /// Part of a body.
    pub const DATA: u8 = 0;
    /// A head, or its begin.
    pub const HEADERS: u8 = 1;
    /// The end of a stream before its time.
    pub const RST_STREAM: u8 = 3;
    /// What each side may do.
    pub const SETTINGS: u8 = 4;
    /// Are you there?
    pub const PING: u8 = 6;
    /// The connection ends.
    pub const GOAWAY: u8 = 7;
    /// More of a head.
    pub const CONTINUATION: u8 = 9;
}

/// The last frame of a stream.
pub const END_STREAM: u8 = 1;
/// The last frame of a head; on settings and pings: an answer.
pub const END_HEADERS: u8 = 4;

/// A frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Frame {
    /// As bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len())
            .expect("a short frame")
            .to_be_bytes();
        let mut out = vec![length[1], length[2], length[3], self.kind, self.flags];
        out.extend(self.stream.to_be_bytes());
        out.extend(&self.payload);
        out
    }
}

/// A frame as bytes.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    Frame {
        kind,
        flags,
        stream,
        payload: payload.to_vec(),
    }
    .bytes()
}

/// The preface of a client with these settings.
#[must_use]
pub fn preface(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in settings {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    out.extend(frame(kind::SETTINGS, 0, 0, &payload));
    out
}

/// A field that is not remembered, with a short name and value (HPACK, RFC 7541 §6.2.2).
#[must_use]
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut out = vec![0];
    out.extend(text(name));
    out.extend(text(value));
    out
}

fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut left = text.len();
    if left < 127 {
        out.push(u8::try_from(left).expect("short"));
    } else {
        out.push(127);
        left -= 127;
        while left >= 128 {
            out.push(u8::try_from(left % 128 + 128).expect("a byte"));
            left /= 128;
        }
        out.push(u8::try_from(left).expect("a byte"));
    }
    out.extend(text.as_bytes());
    out
}

/// The head of a GET.
#[must_use]
pub fn get(path: &str) -> Vec<u8> {
    [
        field(":method", "GET"),
        field(":scheme", "https"),
        field(":authority", HOST),
        field(":path", path),
    ]
    .concat()
}

/// The next frame; none when the server ended the connection, or the patience did.
pub async fn next(stream: &mut (impl AsyncRead + Unpin), patience: Duration) -> Option<Frame> {
    let reading = async {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        stream.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]),
            payload,
        })
    };
    tokio::time::timeout(patience, reading).await.ok()?
}

/// Says hello, and gives the server's settings.
pub async fn hello(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    settings: &[(u16, u32)],
) -> Vec<(u16, u32)> {
    stream.write_all(&preface(settings)).await.expect("sent");
    let first = next(stream, Duration::from_secs(30)).await.expect("settings");
    assert_eq!(first.kind, kind::SETTINGS);
    let answer = frame(kind::SETTINGS, END_HEADERS, 0, &[]);
    stream.write_all(&answer).await.expect("sent");
    first
        .payload
        .chunks_exact(6)
        .map(|entry| {
            (
                u16::from_be_bytes([entry[0], entry[1]]),
                u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]),
            )
        })
        .collect()
}

/// Reads until the server ends the connection. Gives the code of its GOAWAY, and whether it ended in time.
pub async fn farewell(stream: &mut (impl AsyncRead + Unpin), patience: Duration) -> (Option<u32>, bool) {
    let mut code = None;
    let end = tokio::time::Instant::now() + patience;
    while let Some(frame) = next(stream, end.saturating_duration_since(tokio::time::Instant::now())).await {
        if frame.kind == kind::GOAWAY {
            code = Some(u32::from_be_bytes([
                frame.payload[4],
                frame.payload[5],
                frame.payload[6],
                frame.payload[7],
            ]));
        }
    }
    (code, tokio::time::Instant::now() < end)
}
