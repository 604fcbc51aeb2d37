//! emoji-cache
