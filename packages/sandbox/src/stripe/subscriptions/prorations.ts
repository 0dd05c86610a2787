/**
 * The ways in which a change within a period can be prorated.
 *
 * @module
 */

export const PRORATIONS = ['create_prorations', 'always_invoice', 'none'] as const
