//! The digest of a sweep: one alert about all groups of a region.

mod compose;
mod email;
mod slack;
#[cfg(test)]
mod tests;
mod wording;

pub use compose::compose_digest;
