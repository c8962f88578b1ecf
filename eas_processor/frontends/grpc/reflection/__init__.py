"""`grpc.reflection`: describes the services to clients without `.proto` files."""
