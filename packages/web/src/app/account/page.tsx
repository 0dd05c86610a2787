import Link from 'next/link'
import { redirect } from 'next/navigation'
import { getUser } from '@/lib/session'
import { PasswordForm } from './password-form'

export default async function Account() {
  const user = await getUser()
  if (!user) redirect('/sign-in?next=/account')
  return (
    <main>
      <h1>Your account</h1>
      <p>{user.email}</p>
      <PasswordForm />
      <Link href="/dashboard">Dashboard</Link>
    </main>
  )
}
