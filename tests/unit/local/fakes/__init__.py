"""Small processes in the places of the services and the sandbox: they answer what the stack asks and no more."""
