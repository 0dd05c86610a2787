import { auth } from '../../lib/tollgate.ts'

/** Auth's endpoints. */
export const loader = ({ request }: { request: Request }) => auth.handler(request)
export const action = loader
