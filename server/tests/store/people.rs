//! Tokens, sessions, settings.

use crate::fixture::*;
use higuma::domain::Sha256;

pub async fn tokens_sessions_settings(db: Empty) {
    let db = db.open();
    let hash = |text: &str| Sha256::of(text);
    assert_eq!(db.get(|tx| tx.token_count()).await, 0);
    db.put(move |tx| {
        tx.put_token(&hash("t"), "old name", 1)?;
        tx.put_token(&hash("t"), "admin", 2)?;
        tx.put_session(&hash("s"), "admin", 100)?;
        tx.put_session(&hash("other"), "admin", 50)
    })
    .await;
    assert_eq!(db.get(|tx| tx.token_count()).await, 1);
    assert_eq!(db.get(move |tx| tx.token(&hash("t"))).await.as_deref(), Some("admin"));
    assert_eq!(db.get(move |tx| tx.token(&hash("s"))).await, None);
    assert_eq!(db.get(move |tx| tx.session(&hash("s"), 99)).await.as_deref(), Some("admin"));
    assert_eq!(db.get(move |tx| tx.session(&hash("s"), 100)).await, None);
    db.put(move |tx| tx.delete_session(&hash("nobody"), 51)).await;
    assert_eq!(db.get(move |tx| tx.session(&hash("other"), 1)).await, None);
    db.put(move |tx| tx.delete_session(&hash("s"), 1)).await;
    assert_eq!(db.get(move |tx| tx.session(&hash("s"), 1)).await, None);

    assert_eq!(db.get(|tx| tx.setting("k")).await, None);
    assert_eq!(db.put(|tx| tx.setting_or_insert("k", "one")).await, "one");
    assert_eq!(db.put(|tx| tx.setting_or_insert("k", "two")).await, "one");
    db.put(|tx| tx.put_setting("k", "three")).await;
    assert_eq!(db.get(|tx| tx.setting("k")).await.as_deref(), Some("three"));
}
