/**
 * How a change in mid-period may be prorated.
 *
 * @module
 */

export const PRORATIONS = ['create_prorations', 'always_invoice', 'none'] as const
