//! What the server says of itself.

use redis::Value;

/// The server, for those who check how it is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// Its version, such as `7.0.15`.
    pub version: String,
    /// How many bytes it may keep; 0 without a limit.
    pub maxmemory: u64,
    /// What it does when that is full, such as `noeviction` or `allkeys-lru`.
    pub maxmemory_policy: String,
}

/// Reads the sections of an answer.
pub(crate) fn read(sections: Vec<Value>) -> Option<RedisServer> {
    let mut texts = Vec::with_capacity(sections.len());
    for section in sections {
        match section {
            Value::BulkString(bytes) => texts.push(String::from_utf8(bytes).ok()?),
            Value::VerbatimString { text, .. } => texts.push(text),
            _ => return None,
        }
    }
    let field = |name: &str| {
        texts
            .iter()
            .flat_map(|text| text.lines())
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.trim().to_owned())
    };
    Some(RedisServer {
        version: field("redis_version")?,
        maxmemory: field("maxmemory")?.parse().ok()?,
        maxmemory_policy: field("maxmemory_policy")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_sections_are_read() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let server = text("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n");
        let memory =
            text("# Memory\r\nmaxmemory:1048576\r\nmaxmemory_human:1M\r\nmaxmemory_policy:noeviction\r\n");
        let read_back = read(vec![server.clone(), memory]).unwrap();
        assert_eq!(read_back.version, "7.0.15");
        assert_eq!(read_back.maxmemory, 1_048_576);
        assert_eq!(read_back.maxmemory_policy, "noeviction");
        assert_eq!(read(vec![server]), None);
    }
}
