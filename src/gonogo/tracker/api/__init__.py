"""The W&B API's GraphQL: `schema.graphql` says what is answered, the modules beside it how."""
