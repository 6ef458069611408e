// The roles of accounts with their labels.

/** The roles as pairs of value and label. */
export const ROLES = [['employee', 'Employee'], ['manager', 'Manager'], ['admin', 'Admin']];

export const roleLabel = (role) => ROLES.find(([value]) => value === role)?.[1] ?? role;

/** The role of an account. Any other text (the Flask app may have stored one) has the rights of an employee. */
export const roleOf = ({ role }) => (ROLES.some(([value]) => value === role) ? role : 'employee');
