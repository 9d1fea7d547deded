//! What several EC2 calls share: operation names, filters, pages and unexpected responses.

use std::error::Error;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::Filter;
use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use portcullis_remediation::{ErrorKind, ServiceError};

use crate::error::{CallError, call_error};

/// Operation name in errors.
pub(crate) const DESCRIBE_SECURITY_GROUPS: &str = "DescribeSecurityGroups";
/// Operation name in errors.
pub(crate) const DESCRIBE_SECURITY_GROUP_RULES: &str = "DescribeSecurityGroupRules";

/// Largest page of the `Describe` calls of this crate (EC2 API Reference, `MaxResults`).
pub(crate) const MAX_PAGE_SIZE: i32 = 1000;

/// A filter of a `Describe` call with one value.
pub(crate) fn ec2_filter(name: &str, value: &str) -> Filter {
    ec2_filter_any(name, [value])
}

/// A filter of a `Describe` call that any of these values matches.
pub(crate) fn ec2_filter_any<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    let values = values.into_iter().map(str::to_owned);
    Filter::builder()
        .name(name)
        .set_values(Some(values.collect()))
        .build()
}

/// All pages, or the error of the first page that failed.
///
/// The SDK's paginator stops silently when a page token is repeated. The last page must therefore
/// be one without a token.
pub(crate) async fn collect_pages<O, E>(
    operation: &'static str,
    mut stream: PaginationStream<Result<O, SdkError<E, HttpResponse>>>,
    next_token: fn(&O) -> Option<&str>,
) -> Result<Vec<O>, CallError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let mut pages = Vec::new();
    while let Some(page) = stream.next().await {
        pages.push(page.map_err(|error| call_error(operation, &error))?);
    }
    match pages.last().and_then(next_token) {
        None | Some("") => Ok(pages),
        Some(token) => {
            let reason = format!("the page token {token} was returned twice");
            Err(CallError::from(unexpected_response(operation, reason)))
        }
    }
}

/// The error for a response that violates the API's contract.
pub(crate) fn unexpected_response(
    operation: &'static str,
    reason: impl Into<String>,
) -> ServiceError {
    ServiceError::new(operation, ErrorKind::Other, reason)
}
