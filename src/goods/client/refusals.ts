import { GoodsError, type GoodsErrorCode } from '../wire/goods-error.ts';

/** Chance of a refused request to succeed later, unchanged. */
type RetryPolicy =
  /** The same request would be refused again. */
  | 'final'
  /** The refusal may pass, as soon as the limit allows more. */
  | 'passing'
  /** For what was granted on an earlier connection, the refusal may pass: the market or a provider may not have come up again. */
  | 'passing-again';

/** Each error code. A code without a row does not compile. */
const retryPolicies: Readonly<Record<GoodsErrorCode, RetryPolicy>> = {
  'bad-request': 'final',
  'unknown-op': 'final',
  'bad-name': 'final',
  'unknown-goods': 'passing-again',
  'bad-params': 'final',
  'params-too-large': 'final',
  forbidden: 'final',
  'too-many-subscriptions': 'final',
  'too-many-goods': 'final',
  'too-many-pending': 'passing',
  'rate-limited': 'passing',
  'already-shelved': 'passing-again',
  'not-provider': 'final',
  'bad-item': 'final',
  'variant-failed': 'final',
  closing: 'passing',
  internal: 'passing-again',
};

/**
 * Returns true if a refused request is to be sent again after a pause.
 * @param wasGranted True if the same was granted on an earlier connection.
 */
export function mayPass(error: Error, wasGranted: boolean): error is GoodsError {
  if (!(error instanceof GoodsError)) return false;
  // A later version may have other codes.
  const policy = Object.hasOwn(retryPolicies, error.code) ? retryPolicies[error.code] : 'final';
  return policy === 'passing' || (policy === 'passing-again' && wasGranted);
}
