//! Server-side apply as a library.
