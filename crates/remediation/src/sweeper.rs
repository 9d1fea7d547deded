//! The sweep: evaluates every security group of a region, page by page. It finds what events missed
//! and what was open before Portcullis was installed.

mod sweep;

pub use sweep::Sweeper;
