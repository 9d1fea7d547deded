//! Classifies failed AWS calls.
//!
//! EC2 does not model its errors, so the error code decides (Amazon EC2 API Reference, "Error codes
//! for the Amazon EC2 API"; Amazon SNS API Reference, "Publish" and "Common errors"). Codes are
//! compared exactly. A code that is not listed becomes [`ErrorKind::Other`], which is never treated
//! as success.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId as _;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use portcullis_remediation::{ErrorKind, ServiceError};

/// A failed call, with details that only this crate uses.
#[derive(Debug)]
pub(crate) struct CallError {
    /// The error for the callers of this crate.
    pub(crate) error: ServiceError,
    /// The error code of the service.
    pub(crate) code: Option<String>,
    /// Whether the service rejected the request itself (HTTP 4xx), so that a different request may
    /// succeed.
    pub(crate) rejected: bool,
}

impl From<CallError> for ServiceError {
    fn from(call: CallError) -> Self {
        call.error
    }
}

impl From<ServiceError> for CallError {
    /// An error that we found in a response which reported success.
    fn from(error: ServiceError) -> Self {
        Self {
            error,
            code: None,
            rejected: false,
        }
    }
}

/// Converts an error of the SDK, which has already made its own retries.
pub(crate) fn call_error<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let code = error.code().map(str::to_owned);
    let status = error.raw_response().map(|raw| raw.status().as_u16());
    CallError {
        error: ServiceError::new(operation, error_kind(error), error_message(error)),
        rejected: code.is_some() && status.is_some_and(|status| (400..500).contains(&status)),
        code,
    }
}

fn error_kind<E>(error: &SdkError<E, HttpResponse>) -> ErrorKind
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(_) => error.code().map_or(ErrorKind::Other, kind_from_code),
        // No response, or an incomplete one: the call may have taken effect.
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => ErrorKind::NoAnswer,
        SdkError::DispatchFailure(failure)
            if !failure.is_user() && !is_missing_credentials(error) =>
        {
            ErrorKind::NoAnswer
        }
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) | _ => ErrorKind::Other,
    }
}

/// The SDK reports missing credentials as a dispatch failure. Such a call never left the process.
fn is_missing_credentials(error: &(dyn Error + 'static)) -> bool {
    error_chain(error).any(<dyn Error + 'static>::is::<CredentialsError>)
}

/// The messages of an error and its causes, outermost first.
pub(crate) fn format_error_chain(error: &(dyn Error + 'static)) -> String {
    error_chain(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// The error and its causes, outermost first.
fn error_chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn kind_from_code(code: &str) -> ErrorKind {
    match code {
        "BandwidthLimitExceeded"
        | "EC2ThrottledException"
        | "KMSThrottling"
        | "KMSThrottlingException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "Throttled"
        | "ThrottledException"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "TooManyRequestsException" => ErrorKind::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "InvalidClientTokenId"
        | "KMSAccessDenied"
        | "KMSAccessDeniedException"
        | "OptInRequired"
        | "SignatureDoesNotMatch"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException" => ErrorKind::Denied,
        "InvalidGroup.NotFound"
        | "InvalidGroupId.NotFound"
        | "InvalidSecurityGroupID.NotFound"
        | "InvalidSecurityGroupId.NotFound" => ErrorKind::GroupNotFound,
        "InvalidPermission.NotFound" | "InvalidSecurityGroupRuleId.NotFound" => {
            ErrorKind::RuleNotFound
        }
        "RulesPerSecurityGroupLimitExceeded" => ErrorKind::RulesQuota,
        _ => ErrorKind::Other,
    }
}

/// Code, message and request id from the service, or the chain of causes when there is no code.
fn error_message<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let message = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => format_error_chain(error),
    };
    match error.request_id() {
        Some(id) => format!("{message} (request id {id})"),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_classified() {
        for (code, kind) in [
            ("RequestLimitExceeded", ErrorKind::Throttled),
            ("EC2ThrottledException", ErrorKind::Throttled),
            ("Throttled", ErrorKind::Throttled),
            ("KMSThrottling", ErrorKind::Throttled),
            ("UnauthorizedOperation", ErrorKind::Denied),
            ("AuthFailure", ErrorKind::Denied),
            // A retry with new credentials may succeed, so this is not a denial.
            ("ExpiredToken", ErrorKind::Other),
            ("AuthorizationError", ErrorKind::Denied),
            ("KMSAccessDenied", ErrorKind::Denied),
            ("InvalidGroup.NotFound", ErrorKind::GroupNotFound),
            ("InvalidGroupId.NotFound", ErrorKind::GroupNotFound),
            ("InvalidPermission.NotFound", ErrorKind::RuleNotFound),
            (
                "InvalidSecurityGroupRuleId.NotFound",
                ErrorKind::RuleNotFound,
            ),
            ("RulesPerSecurityGroupLimitExceeded", ErrorKind::RulesQuota),
            ("InvalidGroupId.Malformed", ErrorKind::Other),
            ("DryRunOperation", ErrorKind::Other),
            ("InternalError", ErrorKind::Other),
            ("requestlimitexceeded", ErrorKind::Other),
            ("", ErrorKind::Other),
        ] {
            assert_eq!(kind_from_code(code), kind, "{code}");
        }
    }
}
