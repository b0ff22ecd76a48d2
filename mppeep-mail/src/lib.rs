//! Mail of mppeep over SMTP.
