//! A private Redis starts, suffers and comes back.

use std::time::Duration;

use mppeep_testbed::{Redis, RedisOptions, process};

#[tokio::test]
async fn a_redis_that_writes_down_what_it_is_told_remembers_it() {
    let redis = Redis::start(RedisOptions {
        append_only: true,
        ..RedisOptions::default()
    })
    .await;
    redis.cli(&["SET", "word", "été"]).await;
    redis.kill().await;
    assert!(!redis.runs());
    assert!(redis.try_cli(&["GET", "word"]).await.is_err());
    redis.start_again().await;
    assert_eq!(redis.cli(&["GET", "word"]).await, "été");
    redis.stop().await;
    assert!(!redis.runs());
    redis.start_again().await;
    assert_eq!(redis.cli(&["GET", "word"]).await, "été");
    let id = redis.id();
    drop(redis);
    assert!(!process::runs(id), "it ends with its value");
}

#[tokio::test]
async fn a_redis_without_a_file_forgets() {
    let redis = Redis::start(RedisOptions::default()).await;
    redis.cli(&["SET", "word", "one"]).await;
    redis.kill().await;
    redis.start_again().await;
    assert_eq!(redis.cli(&["GET", "word"]).await, "");
}

#[tokio::test]
async fn a_paused_redis_answers_nobody_and_goes_on_later() {
    let redis = Redis::start(RedisOptions::default()).await;
    redis.pause();
    let asked = redis.try_cli(&["PING"]);
    tokio::pin!(asked);
    assert!(
        tokio::time::timeout(Duration::from_millis(400), &mut asked)
            .await
            .is_err(),
        "nobody answers"
    );
    redis.resume();
    assert_eq!(asked.await.as_deref(), Ok("PONG"));
}

#[tokio::test]
async fn a_full_redis_refuses_writes() {
    let redis = Redis::start(RedisOptions {
        max_memory: Some("1".into()),
        ..RedisOptions::default()
    })
    .await;
    let words = redis
        .try_cli(&["SET", "word", "one"])
        .await
        .expect_err("it is full");
    assert!(words.contains("OOM"), "{words}");
}

#[tokio::test]
async fn a_password_is_wanted() {
    let redis = Redis::start(RedisOptions {
        password: Some("ouvre-toi".into()),
        ..RedisOptions::default()
    })
    .await;
    assert_eq!(redis.cli(&["PING"]).await, "PONG");
    assert!(redis.url().starts_with("redis://:ouvre-toi@127.0.0.1:"));
    let words = redis
        .try_cli(&["-a", "ferme-toi", "--no-auth-warning", "PING"])
        .await
        .expect_err("another password");
    assert!(words.contains("WRONGPASS") || words.contains("NOAUTH"), "{words}");
}

#[tokio::test]
async fn tls_is_spoken() {
    let redis = Redis::start(RedisOptions {
        tls: true,
        ..RedisOptions::default()
    })
    .await;
    assert!(redis.url().starts_with("rediss://"));
    assert!(redis.certificate().is_some_and(std::path::Path::is_file));
    assert_eq!(redis.cli(&["PING"]).await, "PONG");
}

#[tokio::test]
async fn shared_databases_are_apart() {
    let node = Redis::shared().await;
    let (one, two) = (node.fresh_url().await, node.fresh_url().await);
    assert_ne!(one, two);
    let number = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    node.cli(&["-n", &number(&one), "SET", "word", "one"]).await;
    assert_eq!(node.cli(&["-n", &number(&two), "GET", "word"]).await, "");
    assert_eq!(node.cli(&["-n", &number(&one), "GET", "word"]).await, "one");
}
