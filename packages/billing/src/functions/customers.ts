/**
 * The functions about customers: who pays, and whom a provider knows.
 * The default instance's are exported here, and every instance has them as methods.
 *
 * @module
 */

import * as account from '../customers/account.ts'
import * as customers from '../customers/customers.ts'
import * as ownerExport from '../owners/export-owner.ts'
import * as ownerSync from '../owners/owner-sync.ts'
import * as owners from '../owners/owners.ts'
import * as imports from '../sync/import-customers.ts'
import * as link from '../sync/link.ts'
import { command, query } from './bind.ts'
import { ANY, filters, id, OWNER } from './checks.ts'

/**
 * Returns the owner's row, and creates it if it is missing. With Stripe as the provider, the customer at
 * Stripe is created, too; other providers create theirs at the first purchase.
 *
 * @throws `owner_not_found`, `provider_unavailable`, `provider_rejected`.
 */
export const ensureCustomer = command('ensureCustomer', customers.registerCustomer, OWNER)

/**
 * Updates name and address of the owner's customer at Stripe, and of the organizations that the user owns,
 * because an organization's invoices go to its first owner. Call it when an address or the owners of an
 * organization change. Does nothing for an owner without a customer.
 *
 * @throws `invalid_input` where `billingEmail` is not an address; `provider_unavailable`,
 * `provider_rejected`.
 */
export const updateCustomer = command(
  'updateCustomer',
  customers.updateCustomer,
  OWNER,
  filters({ billingEmail: ANY }),
)

/**
 * Brings the owner's rows up to date with every provider that bills the owner. Stripe is asked where it takes the
 * payments or has a customer for the owner. An order of a local provider in another process is left as it is.
 *
 * @throws `owner_not_found`, `provider_unavailable`, `provider_rejected`.
 */
export const syncCustomer = command('syncCustomer', ownerSync.syncOwner, OWNER)

/**
 * Links a customer at Stripe to the owner, and writes its subscriptions, invoices and payments. Past facts
 * are only recorded: no handler runs and no mail is sent. The plan's credits of the current month are
 * granted. A repeated call does what an earlier call left undone.
 *
 * @throws `owner_not_found`; `customer_not_found` where Stripe has no such customer; `customer_taken` (409)
 * where the customer belongs to another owner, or the owner has another customer; `provider_unavailable`,
 * `provider_rejected`, `other_account`.
 */
export const linkCustomer = command('linkCustomer', link.linkCustomer, OWNER, id('The customer id'))

/**
 * Links all customers that exist at Stripe to their owners: by a map, by the owner's id in the customer's metadata, and
 * with `byEmail` by the proven address of a user. Writes their subscriptions, invoices and payments as they stand. Past
 * facts are only recorded: no handler runs and no mail is sent. A plan's credits are granted for the current month
 * alone. At Stripe only the metadata changes; an address that differs from the owner's stays and becomes the row's
 * `billingEmail`. A customer that two owners or two customers make doubtful is listed and left alone. A repeated call
 * links what an earlier call left.
 *
 * @throws `other_account`; `provider_unavailable`, `provider_rejected` where the customers cannot be listed.
 */
export const importCustomers = command(
  'importCustomers',
  imports.importCustomers,
  filters({
    owners: ANY,
    metadataKeys: ANY,
    byEmail: ANY,
    dryRun: ANY,
    onProgress: ANY,
    signal: ANY,
    limitMs: ANY,
  }),
)

/**
 * Restores a customer that was taken for deleted here although Stripe still has it, together with its running
 * subscriptions. Only a person does this; a late event never does. Each restored subscription sets off
 * `subscription.activated`.
 *
 * @throws `customer_not_found` where Stripe has no customer to restore; `customer_taken` where the owner has
 * since bought a subscription with another customer; `provider_unavailable`, `provider_rejected`,
 * `other_account`.
 */
export const restoreCustomer = command('restoreCustomer', link.restoreCustomer, OWNER)

/**
 * The Stripe account whose customers the database holds. Null: none is stored yet.
 */
export const getAccount = query('getAccount', account.getAccount)

/**
 * Stores the account of the present key in place of the old one, for a person who moves the database to
 * another account. Customers that the new account does not have are reported by their next sync.
 */
export const replaceAccount = command('replaceAccount', account.replaceAccount)

/**
 * Forgets an owner; the host calls this when it deletes a user or organization. Cancels open orders, ends subscriptions
 * at once, and erases names, addresses and comments. Amounts, dates and ids stay for bookkeeping, and so do credits,
 * because the ledger knows an owner only by id. A repeated call does what is left to do; an owner unknown to billing
 * is ignored.
 *
 * @throws `provider_unavailable`, `provider_rejected`: nothing is erased yet, so call again.
 */
export const forgetOwner = command('forgetOwner', owners.forgetOwner, OWNER)

/**
 * The owner's data as JSON values; null where billing holds nothing. `events` are the webhooks about the owner whose
 * bodies are still kept, `effects` the facts recorded for the customer, and `trials` the hashes that prevent a second
 * trial.
 */
export const exportOwner = query('exportOwner', ownerExport.exportOwner, OWNER)
