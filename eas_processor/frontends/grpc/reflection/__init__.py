"""`grpc.reflection`: clients without `.proto` files learn what the services take and give."""
