/** The invoices of an organization go to its first owner, whoever that is and whatever the address is now. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await createHarness(inject('postgres'))
})
afterAll(() => h.close())

/** An organization on PRO with an owner and an administrator. */
async function organization() {
  const owner = await h.owner('Ada')
  const other = await h.owner('Bob')
  const id = randomUUID()
  const member = (userId: string, role: string) => ({
    data: { id: randomUUID(), organizationId: id, userId, role },
  })
  await h.db.$transaction(async (tx) => {
    await tx.organization.create({ data: { id, name: 'Acme', slug: `acme-${id}` } })
    await tx.member.create(member(owner, 'OWNER'))
    await tx.member.create(member(other, 'ADMIN'))
  })
  const { id: session } = await h.billing.createCheckoutSession({
    ownerId: id,
    plan: 'PRO',
    quantity: 2,
  })
  await h.pay(session)
  await h.billing.confirmCheckout(id, session)
  return { id, owner, other }
}

async function addressOf(ownerId: string): Promise<unknown> {
  const { stripeCustomerId } = await h.db.customer.findUniqueOrThrow({ where: { ownerId } })
  const customer = await h.stripe.customers.retrieve(stripeCustomerId ?? '')
  return (customer as { email?: string }).email
}

test('the owner’s new address reaches the customer of each organization', async () => {
  const { id, owner, other } = await organization()
  await h.db.user.update({ where: { id: owner }, data: { email: 'ada.new@example.com' } })
  await h.billing.updateCustomer(owner)
  expect(await addressOf(id)).toBe('ada.new@example.com')
  // An administrator's is nobody's invoice address.
  await h.db.user.update({ where: { id: other }, data: { email: 'bob.new@example.com' } })
  await h.billing.updateCustomer(other)
  expect(await addressOf(id)).toBe('ada.new@example.com')
})

test.each([
  ['with a seat more', 3],
  ['with the seats it had', 2],
])('after a hand-over, %s, invoices are mailed to the new owner', async (_, seats) => {
  const { id, owner, other } = await organization()
  const { email } = await h.db.user.findUniqueOrThrow({ where: { id: other } })
  const of = (userId: string) => ({ organizationId: id, userId })
  await h.db.member.updateMany({ where: of(other), data: { role: 'OWNER' } })
  await h.db.member.updateMany({ where: of(owner), data: { role: 'ADMIN' } })
  await h.billing.changePlan(id, { plan: 'PRO', quantity: seats })
  expect(await addressOf(id)).toBe(email)
  expect(await h.billing.getSubscription(id)).toMatchObject({ plan: 'PRO', quantity: seats })
})
