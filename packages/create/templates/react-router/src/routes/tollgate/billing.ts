import { redirect } from 'react-router'
import { forUser } from '../../lib/session.ts'
import { billing } from '../../lib/tollgate.ts'

/** The billing portal leads back here. */
export const loader = forUser(async ({ userId }) => {
  await billing.syncCustomer(userId)
  return redirect('/')
})
